export interface ReceivedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly session_id: string; readonly version: number; readonly data: unknown };
}

/** Reads server-sent events from a response, one at a time; comments and `retry` are passed over. */
export async function* readEvents(response: Response): AsyncGenerator<ReceivedEvent, void> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)));
      if (fields.data) yield { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

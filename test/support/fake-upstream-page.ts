import type { FakePerson } from './fake-upstream.ts';

/** The page where a person chooses who they are, or cancels; its form carries the whole request along. */
export function consentPage({
  title,
  action,
  params,
  people,
}: {
  title: string;
  action: string;
  params: URLSearchParams;
  people: FakePerson[];
}): string {
  const hidden = [...params].map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  );
  const buttons = people.map(({ subject, name, email }) => {
    const label = [name, email].filter(Boolean).join(', ') || subject;
    return `<p><button name="as" value="${escapeHtml(subject)}">Continue as ${escapeHtml(label)}</button></p>`;
  });
  return page(
    title,
    `<p>${escapeHtml(params.get('client_id') ?? '')} asks for: ${escapeHtml(params.get('scope') ?? '')}</p>
<form method="post" action="${escapeHtml(action)}">${hidden.join('')}${buttons.join('')}
<p><button name="deny" value="1">Cancel</button></p></form>`,
  );
}

export function errorPage(title: string, problem: string): string {
  return page(title, `<p>${escapeHtml(problem)}</p>`);
}

export function signedOutPage(title: string): string {
  return page(title, '<p>Nobody is signed in here any more.</p>');
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><h1>${escapeHtml(title)}</h1><p>This is an imitation for trying things out.</p>${body}</html>`;
}

function escapeHtml(text: unknown): string {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

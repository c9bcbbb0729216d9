import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { Configuration } from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser, type Visit } from './flow-browser.ts';
import { authorizationRequest, connect } from './flow-client.ts';
import { type Flow, startFlow } from './flow-server.ts';

/** The protocol without pages, a registered client, and for each test somebody new in a new browser. */
export interface Requests {
  flow: Flow;
  client: { id: string; secret: string };
  /** openid-client, told about the client. */
  config: Configuration;
  person: Account;
  browser: Browser;
  /** Opens a request of the client in the browser. */
  open(parameters: Record<string, string>): Promise<Visit>;
}

export function useRequests(hand: (requests: Requests) => void): void {
  let flow: Flow;
  let client: Requests['client'];
  let config: Configuration;
  beforeAll(async () => {
    flow = await startFlow();
    client = await flow.register({});
    config = await connect(flow, client);
  });
  afterAll(() => flow.close());
  beforeEach(async () => {
    const browser = createBrowser(flow.origin);
    const open = async (parameters: Record<string, string>) =>
      browser.open((await authorizationRequest(config, parameters)).url.href);
    hand({ flow, client, config, browser, open, person: await flow.people.create() });
  });
}

import type { ProtocolScreens } from '../provider/identity-provider.ts';
import { createErrorScreens } from './error.ts';
import type { FindsAccounts } from './ports.ts';
import type { Screens } from './screens.ts';
import { createSignOut } from './sign-out.ts';

/** The pages that the protocol asks for in the middle of its own requests. */
export function createProtocolScreens(options: { screens: Screens; accounts: FindsAccounts }): ProtocolScreens {
  return { error: createErrorScreens(options.screens).protocolError, ...createSignOut(options) };
}

import type { PendingInteraction } from '../provider/identity-provider.ts';
import { interactionPath } from './guards.ts';
import { initialOf } from './person-view.ts';
import type { ClientView } from './views.ts';

/** The application as its registration describes it. Its logo comes through us: pages load nothing from elsewhere. S-023 */
export function clientView({ client, uid }: PendingInteraction): ClientView {
  const { name, logoUri, policyUri, tosUri, clientUri, isFirstParty, redirectHost } = client;
  return {
    name,
    initial: initialOf(name),
    ...(logoUri && { logoUrl: interactionPath(uid, 'logo') }),
    ...(policyUri && { policyUrl: policyUri }),
    ...(tosUri && { termsUrl: tosUri }),
    ...(clientUri && { homeUrl: clientUri }),
    ...(!isFirstParty && redirectHost && { host: redirectHost }),
  };
}

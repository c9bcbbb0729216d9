import type { Metrics } from '../platform/metrics.ts';
import type { KeyView } from './key-view.ts';

/** What an operator wants to watch; docs/keys.md says when to wake up. */
export function reportKeys(metrics: Metrics, view: Pick<KeyView, 'figures'>): void {
  metrics.gauge(
    'daemun_signing_key_age_seconds',
    'How long a signing key has been in its state.',
    ['algorithm', 'state', 'kid'],
    (set) => {
      for (const { kid, algorithm, state, age } of view.figures().keys) set(age, { kid, algorithm, state });
    },
  );
  metrics.gauge(
    'daemun_signing_key_next_transition_seconds',
    'Until the next change of a signing key is due; negative when it is overdue.',
    [],
    (set) => {
      const { nextTransitionIn } = view.figures();
      if (Number.isFinite(nextTransitionIn)) set(nextTransitionIn);
    },
  );
  metrics.gauge('daemun_key_set_version', 'The version of the key set that each node has.', ['node'], (set) => {
    for (const { id, version } of view.figures().nodes) set(version, { node: id });
  });
  metrics.gauge(
    'daemun_key_set_confirmed_seconds',
    'How long ago this node was last sure to have the newest key set. It stops signing at 12.',
    [],
    (set) => set(view.figures().confirmedAgo),
  );
  metrics.gauge(
    'daemun_key_encryption_key_info',
    'The key-encryption key that seals on this node.',
    ['kek_id'],
    (set) => set(1, { kek_id: view.figures().kekId }),
  );
  metrics.gauge('daemun_key_warnings', 'What is wrong with the keys just now.', ['warning'], (set) => {
    for (const warning of view.figures().warnings) set(1, { warning: warning.kind });
  });
}

import * as z from 'zod';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import { badRequest, notFound, tooManyRequests, unauthorized } from '../platform/errors.ts';
import { readBody } from '../platform/http/form.ts';
import { addressKey, type RateLimits } from '../platform/rate-limits.ts';
import { sha256 } from '../platform/sha256.ts';
import type { LookForEach } from './found-key-queue.ts';
import type { Handlers, OperationSpec } from './operation.ts';
import { parseJson, requireJsonType } from './request-input.ts';
import type { SecretScanningKeys } from './secret-scanning-keys.ts';
import { isSignedBy } from './secret-scanning-keys.ts';

const MOST_KEYS = 100;
const LONGEST_KEY = 200;
/** A report may name hundreds of places. */
const REPORT_LIMIT = 256 * 1024;
const MOST_REPORTED = 200;
const LONGEST_PLACE = 300;

const foundSchema = z.strictObject({
  keys: z
    .array(z.string().max(LONGEST_KEY))
    .min(1)
    .max(MOST_KEYS)
    .meta({ description: 'What was found. Anything that is no key of ours is passed over.' }),
});

/** As GitHub sends it; members that are not named here may come. */
const reportSchema = z
  .array(
    z.looseObject({
      token: z.string().max(LONGEST_KEY),
      type: z.string().max(200),
      url: z.string().max(4_000).optional(),
      source: z.string().max(200).optional(),
    }),
  )
  .max(MOST_REPORTED);

export const foundKeyOperations = {
  reportFoundKeys: {
    method: 'POST',
    path: '/api-keys/found',
    tag: 'Found keys',
    summary: 'Revoke API keys that were found where they should not be',
    description:
      'For everybody: whoever has a key may end it, for good. Its owner is told. The answer is the same whether there was such a key.',
    scopes: 'public',
    body: foundSchema,
    answer: { status: 202, description: 'What there was of them does not work any more.' },
  },
} as const satisfies Record<string, OperationSpec>;

export const secretScanningOperations = {
  reportLeakedSecrets: {
    method: 'POST',
    path: '/secret-scanning/reports',
    tag: 'Found keys',
    summary: 'Report of a secret scanning partner',
    description: [
      'In the form of GitHub’s secret scanning partner programme: a JSON array of `token`, `type`, `url` and `source`, signed with',
      'ECDSA on P-256 and SHA-256 over the raw body (`Github-Public-Key-Signature`, base64 of the DER form) by the key that',
      '`Github-Public-Key-Identifier` names. Only where DAEMUN_SECRET_SCANNING_KEYS_URL is set. What is a key of ours is revoked, and',
      'its owner is told where it was found. A report that comes again changes nothing.',
    ].join(' '),
    scopes: 'public',
    rawBody: reportSchema,
    answer: {
      status: 200,
      description: 'Which of them were keys of ours.',
      schema: z.array(
        z.strictObject({
          token_hash: z.string().meta({ description: 'Base64 of the SHA-256 of the token.' }),
          token_type: z.string(),
          label: z.enum(['true_positive', 'false_positive']),
        }),
      ),
    },
    problems: { 401: 'The signature is missing or wrong.', 404: 'Reports are not taken here.' },
  },
} as const satisfies Record<string, OperationSpec>;

export interface FoundKeysOptions {
  apiKeys: Pick<ApiKeys, 'revokeByValue'>;
  limits: Pick<RateLimits, 'foundKeys'>;
  /** One for all that are reported to this process. */
  lookForEach: LookForEach;
}

export function foundKeyHandlers({
  apiKeys,
  limits,
  lookForEach,
}: FoundKeysOptions): Handlers<typeof foundKeyOperations> {
  return {
    async reportFoundKeys({ body, by }) {
      const decision = await limits.foundKeys.take(addressKey(by.address!));
      if (!decision.allowed) throw tooManyRequests(decision.retryAfter);
      const reason = 'reported as found';
      await lookForEach([...new Set(body.keys)], async (key) => {
        await apiKeys.revokeByValue(key, { reason }, { ...by, actor: 'found' });
      });
      return undefined;
    },
  };
}

export interface SecretScanningOptions extends FoundKeysOptions {
  /** Absent: reports are not taken. */
  partnerKeys?: SecretScanningKeys;
}

export function secretScanningHandlers({
  apiKeys,
  limits,
  lookForEach,
  partnerKeys,
}: SecretScanningOptions): Handlers<typeof secretScanningOperations> {
  return {
    async reportLeakedSecrets({ ctx, by }) {
      if (!partnerKeys) throw notFound();
      requireJsonType(ctx);
      const identifier = ctx.get('Github-Public-Key-Identifier');
      const signature = ctx.get('Github-Public-Key-Signature');
      const raw = await readBody(ctx.req, REPORT_LIMIT);
      const key = await partnerKeys.find(identifier);
      if (!key || !isSignedBy(key, raw, signature)) {
        const decision = await limits.foundKeys.take(addressKey(by.address!));
        if (!decision.allowed) throw tooManyRequests(decision.retryAfter);
        throw unauthorized('The signature of the report is missing or wrong.', { 'WWW-Authenticate': 'Signature' });
      }
      const report = reportSchema.safeParse(parseJson(raw));
      if (!report.success) throw badRequest('body', 'The report is not an array of tokens with their types.');
      const answers = new Map<string, object>();
      const places = new Map(report.data.map((each) => [each.token, each]));
      await lookForEach([...places.values()], async ({ token, type, url, source }) => {
        const place = url ?? source;
        const foundAt = place === undefined ? undefined : place.slice(0, LONGEST_PLACE);
        const found = { reason: 'found by secret scanning', ...(foundAt && { foundAt }) };
        const outcome = await apiKeys.revokeByValue(token, found, { ...by, actor: 'secret-scanning' });
        answers.set(token, {
          token_hash: sha256(token).toString('base64'),
          token_type: type,
          label: outcome === 'unknown' ? 'false_positive' : 'true_positive',
        });
      });
      return [...places.keys()].map((token) => answers.get(token));
    },
  };
}

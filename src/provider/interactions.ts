import type { Context } from 'koa';
import type { Audit, AuditContext } from '../audit/audit.ts';
import type { RelyingParty } from '../clients/client.ts';
import type { Database } from '../platform/database/database.ts';
import { badRequest, interactionExpired } from '../platform/errors.ts';
import type { ArtifactStore } from './adapter.ts';
import { askedFor, type MissingConsent } from './asked-consent.ts';
import { askedOfSignIn, withoutUndefined, words } from './asked-sign-in.ts';
import { acrOf } from './assurance.ts';
import { auditContextOf } from './audit-context.ts';
import type { FindClient } from './client-adapter.ts';
import { addConsent, type Consent, lockSession } from './consents.store.ts';
import type { Interaction, InteractionResults, Provider } from './engine.ts';
import type { InteractionResult, PendingInteraction } from './identity-provider.ts';
import { epochTime, type Lifetimes } from './lifetimes.ts';
import { hintedAccountId } from './prompts.ts';
import type { FindResourceServer } from './resource-indicators.ts';
import { accessGenerationOf } from './revocation.ts';

export interface InteractionsOptions {
  provider: () => Provider;
  database: Pick<Database, 'prisma'>;
  artifactStore: Pick<ArtifactStore, 'recordWith'>;
  findClient: FindClient;
  findResourceServer: FindResourceServer;
  audit: Audit;
  lifetimes: Lifetimes;
}

/** What is waiting, and for which client. */
interface Loaded {
  interaction: Interaction;
  client: RelyingParty;
}

const INTERACTION_PATH = /^\/interaction\/([\w-]{43})(?:\/|$)/;

/** The engine's questions to the person, and the person's answers to the engine. The screens in between know neither. */
export function createInteractionDesk(options: InteractionsOptions) {
  const { provider, findClient, audit, database, artifactStore } = options;

  /** The interaction of this address, if it is this browser's: its cookie says which one it carries. S-154 */
  async function load(ctx: Context): Promise<Loaded> {
    const interaction = await provider()
      .interactionDetails(ctx.req, ctx.res)
      .catch((error: Error) => {
        throw error.name === 'SessionNotFound' ? interactionExpired(error) : error;
      });
    if (INTERACTION_PATH.exec(ctx.path)?.[1] !== interaction.uid) throw interactionExpired();
    const client = await findClient(interaction.params.client_id as string);
    if (client?.state !== 'active') throw interactionExpired();
    return { interaction, client };
  }

  /** What each request found to wait for. */
  const shown = new WeakMap<Context, Loaded>();

  /**
   * Not read a second time: an answer is stored only over an interaction that is still there. One that belongs to a session is
   * looked for again, because the session may have ended while the person's answer was looked at.
   */
  async function loadAgain(ctx: Context): Promise<Loaded> {
    const before = shown.get(ctx);
    if (!before || before.interaction.session) return load(ctx);
    const client = await findClient(before.client.id);
    if (client?.state !== 'active') throw interactionExpired();
    return { ...before, client };
  }

  return {
    async pendingInteraction(ctx: Context): Promise<PendingInteraction> {
      const loaded = await load(ctx);
      shown.set(ctx, loaded);
      const isConsent = loaded.interaction.prompt.name === 'consent';
      const { missing, accessTokenLifetime } = isConsent
        ? await askedFor(loaded.interaction, options.findResourceServer)
        : {};
      return describe(loaded, missing, [options.lifetimes.accessToken, accessTokenLifetime]);
    },

    async finishInteraction(ctx: Context, result: InteractionResult): Promise<void> {
      const loaded = await loadAgain(ctx);
      const { interaction, client } = loaded;
      const { name: prompt } = interaction.prompt;
      const by = auditContextOf(ctx.state);
      // Steps cannot be skipped or swapped. S-143
      if ('login' in result && prompt !== 'login') throw badRequest(undefined, 'This page does not ask for a sign-in.');
      if ('consent' in result && prompt !== 'consent')
        throw badRequest(undefined, 'This page asks for a sign-in first.');

      if ('consent' in result) await remember(loaded, by);
      if ('error' in result && prompt === 'consent') {
        const { accountId, uid: sessionId } = interaction.session!;
        const denial = audit.prepare.consentDenied({ userId: accountId, clientId: client.id, sessionId }, by);
        artifactStore.recordWith(result, denial);
      }
      const location = await submit(ctx, interaction, result);
      ctx.redirect(location);
      ctx.status = 303;
    },
  };

  /** Where the engine goes on. */
  async function submit(ctx: Context, interaction: Interaction, result: InteractionResult): Promise<string> {
    if ('consent' in result) {
      // Given by whoever signed in before. Remembering it took a while, so that the engine looks again what is waiting.
      return provider().interactionResult(ctx.req, ctx.res, await engineResult(result), {
        mergeWithLastSubmission: true,
      });
    }
    // A new sign-in starts over. What is waiting was read a moment ago, and the engine would read it once more.
    interaction.result = await engineResult(result);
    await interaction.save(interaction.exp - epochTime());
    return interaction.returnTo;
  }

  async function engineResult(result: InteractionResult): Promise<InteractionResults> {
    if ('error' in result) return result;
    if ('consent' in result) return { consent: {} };
    const { accountId, amr, acr = acrOf(amr), provider, remember = true } = result.login;
    const { accessGeneration = await accessGenerationOf(database.prisma, accountId) } = result.login;
    return {
      login: {
        accountId,
        amr,
        ...(acr !== undefined && { acr }),
        ...(provider !== undefined && { provider }),
        remember,
        // Ours, whatever an upstream says of its own sign-in.
        ts: epochTime(),
        accessGeneration,
      },
    };
  }

  async function remember(loaded: Loaded, by: AuditContext): Promise<void> {
    const { accountId, uid: sessionId } = loaded.interaction.session!;
    const owner = { userId: accountId, clientId: loaded.client.id };
    const { scopes, claims, resources } = (await askedFor(loaded.interaction, options.findResourceServer)).missing;
    const resourceScopes = Object.fromEntries(
      resources.map(({ identifier, scopes }) => [identifier, scopes.map(({ name }) => name)]),
    );
    const consent: Consent = { scopes, claims, resourceScopes };
    await database.prisma.$transaction(async (tx) => {
      if (!(await lockSession(tx, { userId: accountId, uid: sessionId }))) throw interactionExpired();
      await addConsent(tx, owner, consent);
      await audit.in(tx).consentGranted({ ...owner, sessionId, scopes, claims, resourceScopes }, by);
    });
  }
}

function describe(
  { interaction, client }: Loaded,
  missing: MissingConsent | undefined,
  lifetimes: (number | undefined)[],
): PendingInteraction {
  const { uid, prompt, session } = interaction;
  const params = interaction.params as Record<string, string | undefined>;
  const { metadata } = client;
  const accountId = session?.accountId;
  const hinted = hintedAccountId(params.id_token_hint);
  return {
    uid,
    prompt: prompt.name as PendingInteraction['prompt'],
    reasons: prompt.reasons,
    client: withoutUndefined({
      id: client.id,
      name: client.name,
      logoUri: metadata.logo_uri,
      policyUri: metadata.policy_uri,
      tosUri: metadata.tos_uri,
      clientUri: metadata.client_uri,
      isFirstParty: client.isFirstParty,
      redirectHost: hostOf(params.redirect_uri),
    }),
    params: { ...askedOfSignIn(interaction), ...(hinted !== undefined && { hintedAccountId: hinted }) },
    ...(accountId !== undefined && { accountId }),
    ...(missing && { missing }),
    accessTokenLifetime: Math.min(
      ...[...lifetimes, metadata.access_token_lifetime].filter((wish) => wish !== undefined),
    ),
    offlineAccess: words(params.scope)?.includes('offline_access') === true,
  };
}

function hostOf(uri: string | undefined): string | undefined {
  return uri !== undefined && URL.canParse(uri) ? new URL(uri).host || undefined : undefined;
}

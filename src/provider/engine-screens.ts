import { pageContextOf } from './browser-endpoints.ts';
import type { EngineContext } from './engine.ts';
import type { ProtocolScreens } from './identity-provider.ts';

/** The engine's four page callbacks, drawn by the service's own screens. */
export function createEnginePages(screens: ProtocolScreens) {
  return {
    async renderError(ctx: EngineContext, out: { error: string; error_description?: string }): Promise<void> {
      // Ours to answer: `failureOf` has the cause by then.
      if (ctx.status >= 500) return;
      // Programs are answered in JSON, whatever they say they accept. S-051
      if (ctx.state.answersProgram) {
        ctx.body = out;
        return;
      }
      const page = pageContextOf(ctx);
      page.status = ctx.status;
      const { error, error_description: description } = out;
      await screens.error(page, { error, ...(description !== undefined && { description }), status: ctx.status });
    },

    async logoutSource(ctx: EngineContext, form: string): Promise<void> {
      const { client, session } = ctx.oidc;
      const page = pageContextOf(ctx);
      page.status = 200;
      await screens.signOut(page, {
        form,
        ...(client && { client: { name: client.clientName ?? client.clientId } }),
        ...(session?.accountId && { accountId: session.accountId }),
      });
    },

    async postLogoutSuccessSource(ctx: EngineContext): Promise<void> {
      const { client } = ctx.oidc;
      const page = pageContextOf(ctx);
      page.status = 200;
      await screens.signedOut(page, {
        ...(client && {
          client: {
            name: client.clientName ?? client.clientId,
            ...(client.clientUri && { clientUri: client.clientUri }),
          },
        }),
      });
    },
  };
}

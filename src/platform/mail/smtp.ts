import type { DeliveryOutcome, EffectHandler } from '../outbox/effect.ts';
import type { RateLimiter } from '../rate-limits.ts';
import type { SecretText } from '../secret-text.ts';
import { headerText, isOneAddress, type MailSender, messageId } from './envelope.ts';
import type { MailPayload } from './outgoing-mail.ts';

export interface SmtpServer {
  host: string;
  port: number;
  /** `implicit` from the first byte, `required` by STARTTLS, `offered` by STARTTLS where the server has it. */
  tls: 'implicit' | 'required' | 'offered';
  user?: string;
  password?: SecretText;
}

export interface SmtpOptions {
  server: SmtpServer;
  from: MailSender;
  /** By recipient. What is over it waits. S-149 */
  limit?: Pick<RateLimiter, 'take' | 'giveBack'>;
  /** Certificates to trust in place of the system's, for tests. */
  ca?: string;
  /** Milliseconds. */
  timeouts?: { connection: number; greeting: number; silence: number };
}

const TIMEOUTS = { connection: 10_000, greeting: 10_000, silence: 20_000 };

/** These say that we are not welcome as we come, not that the message is bad: somebody mends the settings, and then it goes. */
const ABOUT_US = new Set([421, 454, 530, 534, 535, 538]);
const ABOUT_THE_MESSAGE = new Set(['EENVELOPE', 'EMESSAGE']);

/** What nodemailer tells of a failure. */
interface SmtpError extends Error {
  code?: string;
  responseCode?: number;
  /** What the server said last. */
  response?: string;
}

/** Hands mail to one server over a connection of its own. The library is loaded with the first message. */
export function createSmtpDelivery({ server, from, limit, ca, timeouts = TIMEOUTS }: SmtpOptions): EffectHandler {
  let transport: ReturnType<typeof open> | undefined;

  async function open() {
    const { createTransport } = await import('nodemailer');
    const { host, port, tls, user, password } = server;
    return createTransport({
      host,
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'required',
      ...(user !== undefined && password && { auth: { user, pass: password.reveal() } }),
      tls: { minVersion: 'TLSv1.2', ...(ca && { ca }) },
      connectionTimeout: timeouts.connection,
      dnsTimeout: timeouts.connection,
      greetingTimeout: timeouts.greeting,
      socketTimeout: timeouts.silence,
      // A text never makes the service read a file or ask an address.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async function send(message: Parameters<Awaited<ReturnType<typeof open>>['sendMail']>[0]): Promise<DeliveryOutcome> {
    try {
      transport ??= open();
      await (await transport).sendMail(message);
      return { kind: 'delivered' };
    } catch (thrown) {
      const error = thrown as SmtpError;
      const reason = error.response ?? error.message;
      return { kind: isFinal(error) ? 'refused' : 'failed', reason };
    }
  }

  return {
    async deliver({ id, target, payload, createdAt }, signal) {
      const { subject, text } = payload as MailPayload;
      if (!isOneAddress(target)) return { kind: 'refused', reason: 'the recipient is not one e-mail address' };
      const key = target.toLowerCase();
      const decision = await limit?.take(key);
      if (decision?.allowed === false) {
        return { kind: 'delayed', seconds: decision.retryAfter, reason: 'too many messages to this recipient' };
      }
      const outcome = await send({
        from: { name: from.name ?? '', address: from.address },
        to: { name: '', address: target },
        envelope: { from: from.address, to: [target] },
        subject: headerText(subject),
        text,
        messageId: messageId(id, from),
        date: createdAt,
        // RFC 3834: nobody's absence note is wanted.
        headers: { 'Auto-Submitted': 'auto-generated' },
        signal,
      });
      if (outcome.kind !== 'delivered') await limit?.giveBack(key);
      return outcome;
    },
  };
}

/** A permanent answer (RFC 5321 4.2.1) to the message itself. */
function isFinal({ code, responseCode }: SmtpError): boolean {
  if (!ABOUT_THE_MESSAGE.has(code ?? '')) return false;
  return responseCode === undefined || (responseCode >= 500 && !ABOUT_US.has(responseCode));
}

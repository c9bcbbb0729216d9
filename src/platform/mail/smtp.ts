import type { EffectHandler } from '../outbox/effect.ts';
import type { SecretText } from '../secret-text.ts';
import { headerText, isOneAddress, type MailSender, messageId } from './envelope.ts';
import { mailHtml } from './mail-html.ts';
import { type MailLimits, takeMail } from './mail-limits.ts';
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
  /** What is over one of them waits. S-149 */
  limits?: MailLimits;
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
  /** What was said before that. */
  command?: string;
  /** What the server said last. */
  response?: string;
}

export interface SmtpMessage {
  /** The same whenever it is sent again. */
  id: string;
  /** One address. */
  to: string;
  subject: string;
  text: string;
  /** Of the text, as BCP 47. */
  language?: string;
  date: Date;
}

/** What the server said, or why it was not reached. */
export type SmtpAnswer =
  | { kind: 'delivered'; response: string }
  /** `refused`: for good. */
  | { kind: 'failed' | 'refused'; reason: string };

/** Hands mail to one server over a connection of its own. The library is loaded with the first message. */
export function createSmtpClient({ server, from, ca, timeouts = TIMEOUTS }: Omit<SmtpOptions, 'limits'>) {
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

  let transport: Awaited<ReturnType<typeof open>> | undefined;

  return {
    async send({ id, to, subject, text, language, date }: SmtpMessage, signal: AbortSignal): Promise<SmtpAnswer> {
      if (!isOneAddress(to)) return { kind: 'refused', reason: 'the recipient is not one e-mail address' };
      try {
        transport ??= await open();
        const { response } = await transport.sendMail({
          from: { name: from.name ?? '', address: from.address },
          to: { name: '', address: to },
          envelope: { from: from.address, to: [to] },
          subject: headerText(subject),
          text,
          html: mailHtml({ subject: headerText(subject), text, ...(language !== undefined && { language }) }),
          messageId: messageId(id, from),
          date,
          // RFC 3834: nobody's absence note is wanted.
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal,
        });
        return { kind: 'delivered', response };
      } catch (thrown) {
        const error = thrown as SmtpError;
        const reason = error.response ?? error.message;
        return { kind: isFinal(error) ? 'refused' : 'failed', reason };
      }
    },
  };
}

/** Delivers the effects of `outgoing-mail.ts`. */
export function createSmtpDelivery({ limits, ...options }: SmtpOptions): EffectHandler {
  const client = createSmtpClient(options);
  return {
    async deliver({ id, target, payload, createdAt }, signal) {
      const { cause, ...words } = payload as MailPayload;
      const decision = limits && (await takeMail(limits, { recipient: String(target), cause }));
      if (decision?.allowed === false) {
        return { kind: 'delayed', seconds: decision.retryAfter, reason: decision.reason };
      }
      const answer = await client.send({ id, to: target, ...words, date: createdAt }, signal);
      if (answer.kind === 'delivered') return { kind: 'delivered' };
      await decision?.giveBack();
      return answer;
    },
  };
}

/** A permanent answer (RFC 5321 4.2.1) to the message itself. */
function isFinal({ code, responseCode, command }: SmtpError): boolean {
  // Whom we may send as is a matter of MAIL_FROM and of the server's settings.
  if (!ABOUT_THE_MESSAGE.has(code ?? '') || command === 'MAIL FROM') return false;
  return responseCode === undefined || (responseCode >= 500 && !ABOUT_US.has(responseCode));
}

import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { SmtpServer } from '../../src/platform/mail/smtp.ts';
import { SecretText } from '../../src/platform/secret-text.ts';
import { TLS } from './flow-tls.ts';

/** A message as it arrived. */
export interface Arrived {
  from: string;
  to: string[];
  /** By small name. */
  headers: Record<string, string>;
  /** Decoded. */
  text: string;
  /** The same for programs that show HTML. */
  html: string;
  /** The types of its parts, the plainest first. */
  types: string[];
  raw: string;
  secure: boolean;
  user?: string;
}

export interface MailServer {
  port: number;
  arrived: Arrived[];
  /** How a message is taken; answers with an error to refuse it. */
  onMessage: (message: Arrived) => Promise<void> | void;
  /** Once for each recipient. */
  onRecipient: (address: string) => void;
  connections: number;
  close(): Promise<void>;
}

export const CREDENTIALS = { user: 'daemun', password: 'mail password' };

/** A server that speaks SMTP on this machine. `implicit`, `starttls` or `none`; wants CREDENTIALS when `auth`. */
export async function startMailServer({
  tls = 'none',
  auth = false,
  port = 0,
  host = '127.0.0.1',
  ...more
}: {
  tls?: 'implicit' | 'starttls' | 'none';
  auth?: boolean;
  port?: number;
  host?: string;
} & SMTPServerOptions = {}): Promise<MailServer> {
  const hidden = ['AUTH', 'STARTTLS'].filter((name) => (name === 'AUTH' ? !auth : tls !== 'starttls'));
  const server = new SMTPServer({
    secure: tls === 'implicit',
    ...(tls !== 'none' && TLS),
    hideSTARTTLS: tls !== 'starttls',
    disabledCommands: hidden,
    authOptional: !auth,
    closeTimeout: 100,
    onConnect(_session, done) {
      running.connections += 1;
      done();
    },
    onAuth({ username, password }, _session, done) {
      const isKnown = username === CREDENTIALS.user && password === CREDENTIALS.password;
      done(isKnown ? null : answer(535, 'who are you'), isKnown ? { user: username } : undefined);
    },
    onRcptTo({ address }, _session, done) {
      try {
        running.onRecipient(address);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const message: Arrived = {
          from: (session.envelope.mailFrom as { address: string }).address,
          to: session.envelope.rcptTo.map(({ address }) => address),
          ...read(Buffer.concat(chunks).toString()),
          secure: session.secure,
          ...(session.user !== undefined && { user: String(session.user) }),
        };
        try {
          await running.onMessage(message);
          running.arrived.push(message);
          done();
        } catch (error) {
          done(error as Error);
        }
      });
    },
    ...more,
  });
  // A client that goes in the middle is part of the play.
  server.on('error', () => {});
  const running: MailServer = {
    port: 0,
    arrived: [],
    onMessage() {},
    onRecipient() {},
    connections: 0,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  running.port = (server.server.address() as AddressInfo).port;
  return running;
}

/** What a server answers. */
export function answer(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}

export function mailServerAt(port: number, tls: SmtpServer['tls'] = 'offered', auth = false): SmtpServer {
  const { user, password } = CREDENTIALS;
  return { host: 'localhost', port, tls, ...(auth && { user, password: new SecretText(password) }) };
}

function read(raw: string): Pick<Arrived, 'headers' | 'text' | 'html' | 'types' | 'raw'> {
  const { headers, body } = readPart(raw);
  const boundary = /^multipart\/alternative;.*boundary="([^"]+)"/.exec(headers['content-type'] ?? '')?.[1];
  const parts =
    boundary === undefined
      ? []
      : body
          .split(`--${boundary}`)
          .slice(1, -1)
          .map((part) => readPart(part.slice(2)));
  const types = parts.map((part) => part.headers['content-type']!.replace(/;.*/, ''));
  const decodedOf = (type: string) => {
    const part = parts[types.indexOf(type)];
    return part ? decoded(part) : '';
  };
  return { headers, text: decodedOf('text/plain'), html: decodedOf('text/html'), types, raw };
}

interface Part {
  headers: Record<string, string>;
  body: string;
}

function readPart(raw: string): Part {
  const at = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, at)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { headers, body: raw.slice(at + 4) };
}

function decoded({ headers, body }: Part): string {
  const encoding = headers['content-transfer-encoding'];
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString();
  return encoding === 'quoted-printable' ? unquoted(body) : body;
}

function unquoted(text: string): string {
  const bytes = text
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}

import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/** What values of variables look like. Messages finish the sentence "<NAME> …" and never repeat the value. */

export const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

export function text(maximum: number) {
  return z.string().max(maximum, `is longer than ${maximum} characters`);
}

export function oneOf<const T extends string>(...choices: T[]) {
  return z.enum(choices, `must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`);
}

export function integer(minimum: number, maximum: number) {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, message)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, message);
}

/** 1 to 64, or as many as there are cores. */
export const workerCount = z.string().transform((value, context): number | 'auto' => {
  if (value === 'auto') return 'auto';
  if (/^\d{1,2}$/.test(value) && Number(value) >= 1 && Number(value) <= 64) return Number(value);
  context.addIssue({ code: 'custom', message: 'must be a number from 1 to 64, or auto' });
  return z.NEVER;
});

export const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0'])
  .transform((value) => /^(?:on|true|1)$/.test(value));

const UNIT_SECONDS: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };

function seconds(value: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9})([smhd]?)$/.exec(value) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNIT_SECONDS[unit!]!;
}

/** Seconds, or a number with a unit: `90`, `15m`, `1h`, `30d`. */
export function duration(minimum: string, maximum: string) {
  const message = `must be a duration such as 90s, 15m, 1h or 30d, from ${minimum} to ${maximum}`;
  const [least, most] = [seconds(minimum)!, seconds(maximum)!];
  return z.string().transform((value, context) => {
    const parsed = seconds(value);
    if (parsed !== undefined && parsed >= least && parsed <= most) return parsed;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** An origin. A path would put the metadata, the cookies and the host check on different footings, so there is none. */
export const issuer = z.string().transform((value, context) => {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return refuse('must be a URL such as https://id.example.com');
  if (url.username || url.password || url.search || url.hash || /[?#]/.test(value)) {
    return refuse('must not have a user name, query or fragment');
  }
  if (url.pathname !== '/') return refuse('must not have a path: give the service a host of its own');
  if (url.protocol === 'http:' && !LOOPBACK_HOSTS.has(url.hostname)) {
    return refuse('must be https; plain http works on localhost, 127.0.0.1 and [::1] only');
  }
  return url.origin;
});

export const postgresUrl = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url !== undefined && /^postgres(?:ql)?:$/.test(url.protocol) && url.pathname.length > 1;
}, 'must be a URL such as postgresql://role:password@host:5432/database');

export interface RedisUrl {
  nodes: { host: string; port: number }[];
  tls: boolean;
  username?: string;
  password?: string;
  database?: number;
}

/** One URL, or several hosts in it, or several URLs: separated by commas. All but the hosts is said by the first. */
export const redisUrl = z.string().transform((value, context): RedisUrl => {
  const [first = '', ...more] = value.split(',').map((part) => part.trim());
  // The path comes with the last host.
  const path = /^[^/]+(\/\d+)?\/?$/.exec(more.at(-1) ?? '')?.[1] ?? '';
  const scheme = /^rediss?:\/\//.exec(first)?.[0] ?? '';
  // Another scheme than the first would be another kind of connection, and stays to be refused.
  const rest = more.map((part) => (part.startsWith(scheme) ? part.slice(scheme.length) : part).replace(/\/\d*$/, ''));
  const urls = [first, ...rest.map((host) => `redis://${host}`)].map((part) => URL.canParse(part) && new URL(part));
  const isFit = urls.every(
    (url, index) =>
      url &&
      /^rediss?:$/.test(url.protocol) &&
      url.hostname &&
      !url.search &&
      !url.hash &&
      // A password with a comma in it is not a host.
      (index === 0 || !(url.username || url.password || url.pathname)),
  );
  const database = isFit ? (urls[0] as URL).pathname.slice(1) || path.slice(1) : '';
  const [username, password] = isFit ? [(urls[0] as URL).username, (urls[0] as URL).password].map(unescaped) : [];
  if (!isFit || !/^\d{0,5}$/.test(database) || username === undefined || password === undefined) {
    context.addIssue({
      code: 'custom',
      message:
        'must be a URL such as redis://user:password@host:6379/0 or rediss://host1:6379,host2:6379; write %25 for % and %2C for a comma in a password, or use REDIS_PASSWORD',
    });
    return z.NEVER;
  }
  return {
    nodes: (urls as URL[]).map(({ hostname, port }) => ({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port) || 6379,
    })),
    tls: scheme === 'rediss://',
    ...(username && { username }),
    ...(password && { password }),
    ...(Number(database) > 0 && { database: Number(database) }),
  };
});

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** One or several, one in a line or separated by commas. */
export function base64Keys(bytes: number) {
  return z.string().refine(
    (value) =>
      value
        .trim()
        .split(/\s*[\s,]\s*/)
        .every((key) => /^[\w+/-]+={0,2}$/.test(key) && Buffer.from(key, 'base64').length === bytes),
    `must be ${bytes} random bytes in base64: \`openssl rand -base64 ${bytes}\`; or several of these, one in a line or separated by commas`,
  );
}

export const cidrList = z.string().transform((value, context) => {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
  for (const entry of entries) {
    if (ipaddr.isValidCIDR(entry) || (ipaddr.isValid(entry) && /[.:]/.test(entry))) continue;
    context.addIssue({
      code: 'custom',
      message: 'must be addresses or CIDR blocks separated by commas: 10.0.0.0/8, ::1',
    });
    return z.NEVER;
  }
  return entries;
});

export const accentColor = z.string().regex(/^#[\da-f]{6}$/i, 'must be a colour such as #0a7cff');

export const brandLogo = z
  .string()
  .max(64 * 1024, 'is longer than 64 KiB')
  .regex(
    /^(?:\/(?!\/)[\w./-]+|data:image\/(?:svg\+xml|png|jpeg|webp);base64,[\w+/=]+)$/,
    'must be a path on this origin such as /assets/logo.svg, or a data:image/…;base64, URL',
  );

/** Names of e-mail and Workspace domains, as they compare: in ASCII, small letters. */
export const domainList = z.string().transform((value, context) => {
  const domains = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
    .map(domainToASCII);
  if (domains.length && domains.every((domain) => DOMAIN.test(domain))) return [...new Set(domains)];
  context.addIssue({ code: 'custom', message: 'must be domains separated by commas: example.com, example.org' });
  return z.NEVER;
});

const DOMAIN = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/** A place on this very machine, so that nobody else can be meant by mistake. */
export const loopbackOrigin = z.string().transform((value, context) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^https?:$/.test(url.protocol) && LOOPBACK_HOSTS.has(url.hostname) && url.href === `${url.origin}/`) {
    return url.origin;
  }
  context.addIssue({ code: 'custom', message: 'must be an origin on this machine such as http://localhost:4002' });
  return z.NEVER;
});

const DEFAULT_SMTP_PORTS: Record<string, number> = { 'smtp:': 587, 'smtps:': 465 };

/** A mail server. Its credentials are variables of their own, so that they may come from files. */
export const smtpUrl = z.string().transform((value, context) => {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const port = DEFAULT_SMTP_PORTS[url?.protocol ?? ''];
  if (!url?.hostname || port === undefined) {
    return refuse('must be a URL such as smtp://mail.example.com:587 or smtps://mail.example.com:465');
  }
  if (url.username || url.password) return refuse('must not hold credentials: SMTP_USER and SMTP_PASSWORD do');
  if (!['', '/'].includes(url.pathname) || /[?#]/.test(value)) return refuse('must not have a path, query or fragment');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || port,
    secure: url.protocol === 'smtps:',
  };
});

/** `address` or `name <address>`: one, in ASCII but for the name. */
export const mailSender = z.string().transform((value, context) => {
  const [, name, bracketed] = /^([^<>\p{Cc}]*)<([^<>]+)>$/u.exec(value) ?? [];
  const address = (bracketed ?? value).trim();
  const shown = name?.trim().replace(/^"(.*)"$/, '$1');
  const [, domain] = /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([a-z0-9.-]{1,253})$/i.exec(address) ?? [];
  if (domain && (DOMAIN.test(domain.toLowerCase()) || domain === 'localhost'))
    return { address, ...(shown && { name: shown }) };
  context.addIssue({
    code: 'custom',
    message: 'must be an address such as no-reply@example.com or Example <no-reply@example.com>',
  });
  return z.NEVER;
});

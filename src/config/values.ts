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

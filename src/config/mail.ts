import { SecretText } from '../platform/secret-text.ts';
import type { MailConfig } from './config.ts';
import type { Given } from './schema.ts';
import type { Refuse } from './upstreams.ts';

type MailGiven = Pick<
  Given,
  'SMTP_URL' | 'SMTP_USER' | 'SMTP_PASSWORD' | 'MAIL_FROM' | 'DANGEROUSLY_SMTP_WITHOUT_TLS' | 'NODE_ENV'
>;

export function checkMail(given: MailGiven, isSet: (name: string) => boolean, refuse: Refuse): void {
  for (const name of ['SMTP_USER', 'SMTP_PASSWORD', 'MAIL_FROM']) {
    if (isSet(name) && !isSet('SMTP_URL')) refuse(name, 'needs SMTP_URL');
  }
  if (isSet('SMTP_URL') && !isSet('MAIL_FROM')) refuse('MAIL_FROM', 'is needed with SMTP_URL');
  if (isSet('SMTP_USER') && !isSet('SMTP_PASSWORD')) refuse('SMTP_USER', 'needs SMTP_PASSWORD');
  if (isSet('SMTP_PASSWORD') && !isSet('SMTP_USER')) refuse('SMTP_PASSWORD', 'needs SMTP_USER');
  if (isSet('SMTP_PASSWORD') && given.DANGEROUSLY_SMTP_WITHOUT_TLS) {
    refuse('SMTP_PASSWORD', 'could be read on the way with DANGEROUSLY_SMTP_WITHOUT_TLS: leave one out');
  }
}

/** Undefined when nobody sends mail here. */
export function mailConfig(given: MailGiven): MailConfig | undefined {
  const { SMTP_URL: server, SMTP_USER: user, SMTP_PASSWORD: password, MAIL_FROM: from } = given;
  if (!server || !from) return undefined;
  const { host, port, secure } = server;
  const plain = given.DANGEROUSLY_SMTP_WITHOUT_TLS ? 'offered' : 'required';
  return {
    server: {
      host,
      port,
      tls: secure ? 'implicit' : plain,
      ...(user !== undefined && { user }),
      ...(password && { password: new SecretText(password) }),
    },
    from,
  };
}

export function mailWarnings(given: MailGiven): string[] {
  const warnings: string[] = [];
  if (given.NODE_ENV === 'production' && !given.SMTP_URL) {
    warnings.push('Mail is not sent: it waits in the outbox until a node has SMTP_URL, a week at most.');
  }
  if (given.DANGEROUSLY_SMTP_WITHOUT_TLS) {
    warnings.push('DANGEROUSLY_SMTP_WITHOUT_TLS: whoever is between us and the mail server can read and change mail.');
  }
  return warnings;
}

import { mailSender, smtpUrl, text } from './values.ts';
import { variable } from './variable.ts';

/** Who sends our mail, if anybody. */
export const mailVariables = {
  SMTP_URL: variable({
    type: 'URL',
    meaning:
      'The server that takes our mail: `smtp://mail.example.com:587` (STARTTLS, which must succeed) or `smtps://mail.example.com:465` (TLS from the first byte). Not set: mail is kept and shown on a page; in production it waits in the outbox for a node that has this, a week at most, and every start warns.',
    schema: smtpUrl,
  }),
  SMTP_USER: variable({ type: 'text', meaning: 'The user at SMTP_URL, if it wants one.', schema: text(1024) }),
  SMTP_PASSWORD: variable({
    type: 'text',
    secret: true,
    meaning: 'The password of SMTP_USER.',
    schema: text(1024),
  }),
  MAIL_FROM: variable({
    type: 'address',
    meaning: 'Who our mail is from: `no-reply@example.com` or `Example <no-reply@example.com>`. Needed with SMTP_URL.',
    schema: mailSender,
  }),
};

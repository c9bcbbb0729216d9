import type { AuditContext, Transaction } from '../audit/audit.ts';
import type { Mail } from '../platform/mail/mail.ts';
import { oneLine } from '../platform/printable.ts';
import { addressKey } from '../platform/rate-limits.ts';
import type { Account } from './account.ts';

export type Notice =
  | 'password_changed'
  | 'account_disabled'
  | 'account_enabled'
  | 'account_deleted'
  | 'identity_linked'
  | 'identity_unlinked'
  | 'api_key_created'
  | 'api_key_rotated'
  | 'api_key_revoked'
  | 'api_key_found'
  /** Of one that belongs to no person. */
  | 'service_api_key_found';

/** `provider`: the name that people know it by. `apiKey`: its name and the ends of its value; `foundAt`: where somebody came across it. */
export interface About {
  provider?: string;
  apiKey?: string;
  foundAt?: string;
  /** Who did it: what is done from one address is not told without end. S-149 */
  by?: AuditContext;
}

/** Tells people about changes that they may not have made themselves. S-147 */
export type Notify = (tx: Transaction, account: Account, notice: Notice, about?: About) => Promise<void>;

type Words = Record<Notice, { subject: string; text: string }>;

const english = (service: string, { provider = '', apiKey = '', foundAt }: About): Words => ({
  password_changed: {
    subject: `Your ${service} password was changed`,
    text: `A new password was set for your account at ${service}, and every session was signed out.`,
  },
  account_disabled: {
    subject: `Your ${service} account was disabled`,
    text: `Your account at ${service} was disabled. You are signed out everywhere and cannot sign in.`,
  },
  account_enabled: {
    subject: `Your ${service} account was enabled`,
    text: `Your account at ${service} was enabled. You can sign in again.`,
  },
  account_deleted: {
    subject: `Your ${service} account was deleted`,
    text: `Your account at ${service} was deleted, together with everything that was known about you.`,
  },
  identity_linked: {
    subject: `${provider} was linked to your ${service} account`,
    text: `From now on you can also sign in at ${service} with ${provider}. It was linked by somebody who signed in to your account.`,
  },
  identity_unlinked: {
    subject: `${provider} was unlinked from your ${service} account`,
    text: `${provider} does not sign you in at ${service} any more.`,
  },
  api_key_created: {
    subject: `An API key was made for your ${service} account`,
    text: `The API key ${apiKey} was made for your account at ${service}. Whoever has it can act for you within what it may.`,
  },
  api_key_rotated: {
    subject: `An API key of your ${service} account was replaced`,
    text: `An API key of your account at ${service} was replaced by ${apiKey}, which may do the same. The one before will end.`,
  },
  api_key_revoked: {
    subject: `An API key of your ${service} account was revoked`,
    text: `The API key ${apiKey} of your account at ${service} was revoked by an administrator and does not work any more.`,
  },
  api_key_found: {
    subject: `An API key of your ${service} account was found elsewhere and revoked`,
    text: [
      `The API key ${apiKey} of your account at ${service} was reported as found where it should not be${foundAt ? `: ${foundAt}` : '.'}`,
      'It was revoked at once and does not work any more. Look at what it was used for, and make a new one if you need it.',
    ].join('\n\n'),
  },
  service_api_key_found: {
    subject: `An API key of a service at ${service} was found elsewhere and revoked`,
    text: [
      `The API key ${apiKey} of a service account of ${service}, or of ${service} itself, was reported as found where it should not be${foundAt ? `: ${foundAt}` : '.'}`,
      'It was revoked at once: what used it does not work any more. You are told as an administrator. Look at what it was used for, and give that service a new one.',
    ].join('\n\n'),
  },
});

const korean = (service: string, { provider = '', apiKey = '', foundAt }: About): Words => ({
  password_changed: {
    subject: `${service} 비밀번호가 변경되었습니다`,
    text: `${service} 계정에 새 비밀번호가 설정되어 모든 기기에서 로그아웃되었습니다.`,
  },
  account_disabled: {
    subject: `${service} 계정이 정지되었습니다`,
    text: `${service} 계정이 정지되었습니다. 모든 기기에서 로그아웃되었고 다시 로그인할 수 없습니다.`,
  },
  account_enabled: {
    subject: `${service} 계정이 다시 열렸습니다`,
    text: `${service} 계정의 정지가 풀렸습니다. 다시 로그인할 수 있습니다.`,
  },
  account_deleted: {
    subject: `${service} 계정이 삭제되었습니다`,
    text: `${service} 계정과 회원님에 관한 모든 정보가 삭제되었습니다.`,
  },
  identity_linked: {
    subject: `${service} 계정에 ${provider} 로그인이 연결되었습니다`,
    text: `이제 ${provider} 계정으로도 ${service}에 로그인할 수 있습니다. 회원님의 계정에 로그인한 사람이 연결했습니다.`,
  },
  identity_unlinked: {
    subject: `${service} 계정에서 ${provider} 로그인 연결이 해제되었습니다`,
    text: `이제 ${provider} 계정으로는 ${service}에 로그인할 수 없습니다.`,
  },
  api_key_created: {
    subject: `${service} 계정에 API 키가 만들어졌습니다`,
    text: `${service} 계정에 API 키 ${apiKey}이(가) 만들어졌습니다. 이 키를 가진 사람은 키의 권한 안에서 회원님을 대신할 수 있습니다.`,
  },
  api_key_rotated: {
    subject: `${service} 계정의 API 키가 교체되었습니다`,
    text: `${service} 계정의 API 키가 같은 권한을 가진 ${apiKey}(으)로 교체되었습니다. 이전 키는 곧 끝납니다.`,
  },
  api_key_revoked: {
    subject: `${service} 계정의 API 키가 폐기되었습니다`,
    text: `${service} 계정의 API 키 ${apiKey}을(를) 관리자가 폐기했습니다. 더 이상 사용할 수 없습니다.`,
  },
  api_key_found: {
    subject: `${service} 계정의 API 키가 외부에서 발견되어 폐기되었습니다`,
    text: [
      `${service} 계정의 API 키 ${apiKey}이(가) 있어서는 안 될 곳에서 발견되었다는 신고가 있었습니다${foundAt ? `: ${foundAt}` : '.'}`,
      '키는 즉시 폐기되어 더 이상 사용할 수 없습니다. 이 키가 어디에 쓰였는지 확인하고, 필요하면 새 키를 만들어 주세요.',
    ].join('\n\n'),
  },
  service_api_key_found: {
    subject: `${service} 서비스의 API 키가 외부에서 발견되어 폐기되었습니다`,
    text: [
      `${service} 서비스 계정 또는 시스템의 API 키 ${apiKey}이(가) 있어서는 안 될 곳에서 발견되었다는 신고가 있었습니다${foundAt ? `: ${foundAt}` : '.'}`,
      '키는 즉시 폐기되어 이 키를 쓰던 프로그램은 더 이상 동작하지 않습니다. 관리자이므로 알려 드립니다. 어디에 쓰였는지 확인하고 새 키로 바꿔 주세요.',
    ].join('\n\n'),
  },
});

const OBJECTION = {
  english: 'If you did not expect this, tell the people who run the service at once.',
  korean: '예상하지 못한 일이라면 서비스 운영자에게 바로 알려 주세요.',
};

/** To the person's own primary address, in their language as far as we speak it; without an address there is nobody to tell. S-146 */
export function createNotifications({ mail, serviceName }: { mail: Mail; serviceName: string }): Notify {
  return async (tx, { id, email, name, userName, locale }, notice, about = {}) => {
    if (!email) return;
    const inKorean = /^ko\b/i.test(locale ?? '');
    // Words that somebody chose stay within their sentence: a line of its own may become a link.
    const { provider = '', apiKey = '', foundAt } = about;
    const words = {
      provider: oneLine(provider),
      apiKey: oneLine(apiKey),
      ...(foundAt && { foundAt: oneLine(foundAt) }),
    };
    const { subject, text } = (inKorean ? korean : english)(serviceName, words)[notice];
    const person = oneLine(name ?? userName ?? email.address);
    const greeting = inKorean ? `${person}님, 안녕하세요.` : `Hello ${person},`;
    const body = [greeting, text, inKorean ? OBJECTION.korean : OBJECTION.english].join('\n\n');
    const source = about.by?.address;
    const cause = { account: id, ...(source !== undefined && { source: addressKey(source) }) };
    await mail.send(tx, { recipient: email.address, subject, text: body, language: inKorean ? 'ko' : 'en', cause });
  };
}

import type { Transaction } from '../audit/audit.ts';
import type { Mail } from '../platform/mail/mail.ts';
import type { Account } from './account.ts';

export type Notice =
  | 'password_changed'
  | 'account_disabled'
  | 'account_enabled'
  | 'account_deleted'
  | 'identity_linked'
  | 'identity_unlinked';

/** Tells people about changes that they may not have made themselves. S-147 `provider` is the name that people know it by. */
export type Notify = (
  tx: Transaction,
  account: Account,
  notice: Notice,
  about?: { provider?: string },
) => Promise<void>;

type Words = Record<Notice, { subject: string; text: string }>;

const english = (service: string, provider: string): Words => ({
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
});

const korean = (service: string, provider: string): Words => ({
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
});

const OBJECTION = {
  english: 'If you did not expect this, tell the people who run the service at once.',
  korean: '예상하지 못한 일이라면 서비스 운영자에게 바로 알려 주세요.',
};

/** To the person's own primary address, in their language as far as we speak it; without an address there is nobody to tell. S-146 */
export function createNotifications({ mail, serviceName }: { mail: Mail; serviceName: string }): Notify {
  return async (tx, { email, name, userName, locale }, notice, { provider = '' } = {}) => {
    if (!email) return;
    const inKorean = /^ko\b/i.test(locale ?? '');
    const { subject, text } = (inKorean ? korean : english)(serviceName, provider)[notice];
    const person = name ?? userName ?? email.address;
    const greeting = inKorean ? `${person}님, 안녕하세요.` : `Hello ${person},`;
    const body = [greeting, text, inKorean ? OBJECTION.korean : OBJECTION.english].join('\n\n');
    await mail.send(tx, { recipient: email.address, subject, text: body });
  };
}

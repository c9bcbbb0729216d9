import { expect, test } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import { createNotifications, type Notice } from '../../src/accounts/notifications.ts';
import type { MailMessage } from '../../src/platform/mail/mail.ts';
import { mailHtml } from '../../src/platform/mail/mail-html.ts';

const ada: Account = {
  id: '0190a0a0-0000-7000-8000-000000000001',
  name: 'Ada',
  email: { address: 'ada@example.com', verified: true },
  isAdministrator: false,
  state: 'active',
  updatedAt: new Date(0),
};

async function told(account: Account, notice: Notice, about?: Parameters<ReturnType<typeof createNotifications>>[3]) {
  const sent: MailMessage[] = [];
  const mail = { send: async (_tx: unknown, message: MailMessage) => void sent.push(message) };
  await createNotifications({ mail, serviceName: 'Gate' })({} as never, account, notice, about);
  return sent;
}

test('S-147 a notice is in the language of the person, and says so', async () => {
  expect(await told(ada, 'password_changed')).toEqual([
    expect.objectContaining({
      recipient: 'ada@example.com',
      subject: 'Your Gate password was changed',
      language: 'en',
    }),
  ]);
  expect(await told({ ...ada, locale: 'ko-KR' }, 'password_changed')).toEqual([
    expect.objectContaining({ subject: 'Gate 비밀번호가 변경되었습니다', language: 'ko' }),
  ]);
});

test('S-149 it says whose account it is about, and from which block of addresses it was caused', async () => {
  const about = { provider: 'Google', by: { address: '2001:db8:0:1:0:0:0:7' } };
  const [linked] = await told(ada, 'identity_linked', about);
  expect(linked!.cause).toEqual({ account: ada.id, source: '2001:db8:0:1::/64' });
  const [byCommand] = await told(ada, 'account_disabled', { by: { actor: 'cli' } });
  expect(byCommand!.cause).toEqual({ account: ada.id });
});

test('S-146 what somebody chose begins no line of its own, in the text or as HTML', async () => {
  const evil = 'a\r\n\r\nhttps://evil.example.com/\n\nb';
  const [found] = await told({ ...ada, name: evil }, 'api_key_found', { apiKey: evil, foundAt: evil });
  expect(found!.text.split('\n').filter((line) => line.startsWith('https:'))).toEqual([]);
  expect(mailHtml(found!)).not.toContain('<a ');
  expect(found!.text.split(/\n{2,}/)).toHaveLength(4);
});

test('S-146 without an address there is nobody to tell', async () => {
  const { email: _, ...nobody } = ada;
  expect(await told(nobody, 'account_enabled')).toEqual([]);
});

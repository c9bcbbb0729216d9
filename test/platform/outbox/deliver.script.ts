// One node of the outbox that sends mail: writes so many messages first, then delivers what is due until it is killed.
import { openDatabase } from '../../../src/platform/database/database.ts';
import { openPreparedDatabase } from '../../../src/platform/database/prepare.ts';
import { createOutgoingMail, MAIL } from '../../../src/platform/mail/outgoing-mail.ts';
import { createSmtpDelivery } from '../../../src/platform/mail/smtp.ts';
import { mailServerAt } from '../../support/mail-server.ts';
import { startNode } from './node.ts';

const [place, port, messages] = process.argv.slice(2) as [string, string, string];
// One on PostgreSQL is there already.
const database = place.startsWith('postgresql:')
  ? await openDatabase({ kind: 'postgresql', url: place })
  : await openPreparedDatabase({ location: { kind: 'embedded', directory: place }, production: false });
const smtp = createSmtpDelivery({ server: mailServerAt(Number(port)), from: { address: 'no-reply@example.com' } });
const { outbox } = startNode(database, { [MAIL]: smtp }, { lease: 2, deadline: 1_500 });
const mail = createOutgoingMail({ outbox });
for (let number = 0; number < Number(messages); number++) {
  const message = {
    recipient: `person${number}@example.com`,
    subject: 'Hello',
    language: 'en',
    text: `Message ${number}`,
  };
  await database.prisma.$transaction((tx) => mail.send(tx, message));
  process.stdout.write(`committed ${number}\n`);
}
for (let isAllDelivered = false; !isAllDelivered; ) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const effects = await outbox.list({ onlyDead: false, limit: 1_000 });
  isAllDelivered = effects.length > 0 && effects.every(({ state }) => state === 'delivered');
}
process.stdout.write('all delivered\n');
setInterval(() => {}, 60_000);

import { expect, test } from '@jest/globals';
import { discordIdentity } from '../../src/upstreams/discord-user.ts';

const USER = { id: '80351110224678912', username: 'nelly', discriminator: '0', global_name: null, avatar: null };

test('who has said nothing but what everybody has to', () => {
  expect(discordIdentity(USER)).toEqual({
    provider: 'discord',
    subject: '80351110224678912',
    name: 'nelly',
    userName: 'nelly',
    picture: 'https://cdn.discordapp.com/embed/avatars/5.png',
  });
});

test.each([42, null, undefined, '', '12 ', '-1', '1'.repeat(21), '１２', ['12'], { id: '12' }])(
  'S-093 %j is no number of anybody',
  (id) => {
    expect(() => discordIdentity({ ...USER, id })).toThrow(
      expect.objectContaining({ reason: 'invalid_response', problem: 'user: id' }),
    );
  },
);

test.each<[member: string, value: unknown, path: string]>([
  ['avatar', '8342729096ea3675442027381ff50dfe', 'avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png'],
  ['avatar', 'a_8342729096ea3675442027381ff50dfe', 'avatars/80351110224678912/a_8342729096ea3675442027381ff50dfe.gif'],
  ['avatar', '8342729096EA3675442027381FF50DFE', 'embed/avatars/5.png'],
  ['avatar', '8342729096ea3675442027381ff50dfe/../x', 'embed/avatars/5.png'],
  ['avatar', 7, 'embed/avatars/5.png'],
  ['discriminator', '0001', 'embed/avatars/1.png'],
  ['discriminator', '1337', 'embed/avatars/2.png'],
  ['discriminator', 1337, 'embed/avatars/5.png'],
  ['id', '0', 'embed/avatars/0.png'],
])('by the %s %j the picture is %s', (member, value, path) => {
  expect(discordIdentity({ ...USER, [member]: value }).picture).toBe(`https://cdn.discordapp.com/${path}`);
});

import { domainToASCII } from 'node:url';
import { type Refusal, refusal } from './refusal.ts';
import { foldedText, hasInvisibleCharacters } from './spelling.ts';

/** RFC 5321 4.5.3.1, in bytes; everything kept is ASCII. */
const LONGEST = 254;
const LONGEST_LOCAL_PART = 64;
/** RFC 5322 3.2.3 dot-atom. Quoted local parts, comments and lists are left out on purpose. S-146 */
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export interface EmailAddress {
  /** Where mail goes. ASCII, so that two addresses that look alike are not two different ones. */
  address: string;
  /** As it is compared: one owner each. */
  key: string;
}

export type ParsedEmailAddress = { kind: 'valid'; email: EmailAddress } | { kind: 'refused'; refusal: Refusal };

/** An address to be kept. International domains are kept in their ASCII form; local parts beyond ASCII are refused. */
export function parseEmailAddress(input: string): ParsedEmailAddress {
  const typed = input.trim();
  if (typed === '') return refused('missing');
  if (hasInvisibleCharacters(typed)) return refused('invisible-characters');
  const text = typed.normalize('NFKC');
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const domain = asciiDomain(text.slice(at + 1));
  const address = `${local}@${domain}`;
  if (text.length > 4 * LONGEST || local.length > LONGEST_LOCAL_PART || address.length > LONGEST) {
    return refused('too-long');
  }
  if (at < 1 || !LOCAL_PART.test(local) || !DOMAIN.test(domain)) return refused('invalid');
  return { kind: 'valid', email: { address, key: emailAddressKey(address) } };
}

/** The form in which any text that was typed as an address is compared with the kept ones. */
export function emailAddressKey(text: string): string {
  const typed = text.normalize('NFKC').trim();
  const at = typed.lastIndexOf('@');
  const domain = typed.slice(at + 1);
  return `${foldedText(typed.slice(0, at))}@${asciiDomain(domain) || foldedText(domain)}`;
}

/** As domains are compared. Empty when it is no domain. The check comes first: the conversion would decode `%` and cut at `/`. */
export function asciiDomain(domain: string): string {
  return /^[\p{L}\p{M}\p{N}.\u30fb-]+$/u.test(domain) ? domainToASCII(domain) : '';
}

function refused(reason: Refusal['reason']): ParsedEmailAddress {
  return { kind: 'refused', refusal: refusal('email', reason) };
}

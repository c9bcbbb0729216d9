import type { z } from 'zod';
import { domainList, flag, text } from './values.ts';

/** How settings of a provider's own are written, by what kind of value they are. */
export const settingKinds = {
  text: { type: 'text', schema: text(1024) },
  flag: { type: 'on or off', schema: flag },
  domains: { type: 'domains', schema: domainList },
};

export type SettingKind = keyof typeof settingKinds;
export type SettingValue = z.output<(typeof settingKinds)[SettingKind]['schema']>;

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { INTERACTIONS_FOLDER, loadScreens, type Screens } from '../../src/interactions/screens.ts';
import type { ScreenName, Views } from '../../src/interactions/views.ts';

export const LOCALES = ['en', 'ko'];

export interface Fixture {
  screen: ScreenName;
  sample: string;
  view: Views[ScreenName];
}

const FOLDER = join(INTERACTIONS_FOLDER, 'fixtures');

/** Every sample view of every screen: what the pictures show and the tests render. */
export const fixtures: Fixture[] = readdirSync(FOLDER).flatMap((file) => {
  const screen = basename(file, '.json') as ScreenName;
  const samples = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Record<string, Views[ScreenName]>;
  return Object.entries(samples).map(([sample, view]) => ({ screen, sample, view }));
});

export function testScreens(): Screens {
  return loadScreens({ branding: { name: 'Daemun' }, secure: false });
}

export function templateSources(): { name: string; source: string }[] {
  return ['', 'console'].flatMap((folder) =>
    readdirSync(join(INTERACTIONS_FOLDER, folder))
      .filter((file) => file.endsWith('.eta'))
      .map((name) => ({ name, source: readFileSync(join(INTERACTIONS_FOLDER, folder, name), 'utf8') })),
  );
}

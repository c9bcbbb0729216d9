/** What an operator may say about the looks, besides replacing templates. */
export interface Branding {
  name: string;
  logoUrl?: string;
  accentColor?: string;
  accentColorDark?: string;
}

type Color = readonly [red: number, green: number, blue: number];

interface Scheme {
  surface: Color;
  soft: Color;
  /** Where the accent goes until it can be read on the surface. */
  towards: Color;
}

const LIGHT: Scheme = { surface: [255, 255, 255], soft: [246, 245, 241], towards: [0, 0, 0] };
const DARK: Scheme = { surface: [24, 27, 26], soft: [16, 18, 17], towards: [255, 255, 255] };
/** WCAG 2.2, 1.4.3 and 1.4.11. A little above, because shades are rounded. */
const TEXT_CONTRAST = 4.6;

/**
 * The generated stylesheet: colours of the configuration as variables, each in the shade that keeps its contrast. Empty without any.
 * @throws when a colour is not #rrggbb
 */
export function brandingStylesheet({ accentColor, accentColorDark }: Branding): string {
  if (!accentColor && !accentColorDark) return '';
  const light = parseColor(accentColor ?? accentColorDark!);
  const dark = parseColor(accentColorDark ?? accentColor!);
  return `:root{${declarations(light, LIGHT)}}\n@media (prefers-color-scheme:dark){:root{${declarations(dark, DARK)}}}\n`;
}

function declarations(accent: Color, scheme: Scheme): string {
  // The fill itself stays as it was chosen, unless nobody could see it against the page.
  const fill = readable(accent, scheme, 3);
  const text = readable(accent, scheme, TEXT_CONTRAST);
  const colors = {
    accent: fill,
    'on-accent': textOn(fill),
    'accent-strong': hover(fill),
    'accent-text': text,
    'accent-soft': mix(scheme.surface, accent, 0.1),
  };
  return Object.entries(colors)
    .map(([name, color]) => `--${name}:${formatColor(color)}`)
    .join(';');
}

/** Moves a colour towards black or white until it stands out from page and card. */
function readable(color: Color, { surface, soft, towards }: Scheme, ratio: number): Color {
  for (let share = 0; share < 1; share += 0.02) {
    const shade = mix(color, towards, share);
    if (contrast(shade, surface) >= ratio && contrast(shade, soft) >= ratio) return shade;
  }
  return towards;
}

/** Away from the text on it, so that its contrast only grows. */
function hover(fill: Color): Color {
  return mix(fill, luminance(textOn(fill)) > 0.5 ? [0, 0, 0] : [255, 255, 255], 0.16);
}

function textOn(fill: Color): Color {
  const white: Color = [255, 255, 255];
  const black: Color = [10, 12, 11];
  return contrast(white, fill) >= TEXT_CONTRAST || contrast(white, fill) > contrast(black, fill) ? white : black;
}

/** @see https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
export function contrast(one: Color, other: Color): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(color: Color): number {
  const [red, green, blue] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mix(from: Color, to: Color, share: number): Color {
  return from.map((value, index) => Math.round(value + (to[index]! - value) * share)) as unknown as Color;
}

export function parseColor(text: string): Color {
  if (!/^#[\da-f]{6}$/i.test(text)) throw new Error(`${JSON.stringify(text)} is not a colour such as #1c6b58`);
  return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)) as unknown as Color;
}

function formatColor(color: Color): string {
  return `#${color.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

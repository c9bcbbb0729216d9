import { html } from './html.ts';

/** A front gate, one door ajar. Inline, so that it takes the colours of the page, light or dark. */
export const gate = html`<svg class="gate" viewBox="0 0 320 260" aria-hidden="true" fill="none" stroke="currentColor"
  stroke-width="4" stroke-linecap="round" stroke-linejoin="round">
  <path class="glow" stroke="none" d="M160 128h76v108h-76z"/>
  <path class="glow" stroke="none" d="M160 236h76l44 22H172z"/>
  <path d="M8 96c46 0 78-16 96-46h112c18 30 50 46 96 46"/>
  <path d="M8 96c52 16 252 16 304 0"/>
  <path stroke-width="7" d="M98 48h124"/>
  <path d="M98 48c-7-1-11-7-10-15M222 48c7-1 11-7 10-15"/>
  <path d="M130 54l-16 51M160 54v54M190 54l16 51"/>
  <path stroke-width="6" d="M66 108v128M254 108v128"/>
  <path d="M66 128h188M40 236h240"/>
  <path d="M84 128v108M160 128v108M236 128v108"/>
  <path class="door" d="M236 128l-38 14v84l38 10z"/>
  <circle cx="146" cy="184" r="7"/>
  <circle cx="209" cy="185" r="5"/>
  <path d="M98 142h48M98 222h48"/>
</svg>`;

import { createJar, findForm } from '../scripts/page-forms.mjs';
import { header, headers } from './connection.mjs';

const MAX_STEPS = 12;
const WITH_PASSWORD = /name="password"/;

/** As much of a browser as a sign-in needs: cookies, redirects, and the form on the page. */
export function openBrowser(connection, origin) {
  const jar = createJar();

  async function load(url, form) {
    const cookie = jar.header(url);
    const response = await connection.request(url, {
      form,
      headers: {
        Accept: 'text/html',
        ...(cookie && { Cookie: cookie }),
        ...(form && { Origin: origin, 'Sec-Fetch-Site': 'same-origin' }),
      },
    });
    jar.store(headers(response, 'set-cookie'), url);
    return response;
  }

  return {
    load,
    /** The Cookie header for a URL. */
    cookie: (url) => jar.header(url),
    /** Opens an invitation and chooses a password there. */
    async choosePassword(url, password) {
      const page = await load(url);
      const form = findForm(page.text(), url, WITH_PASSWORD);
      const answer = form && (await load(form.action, { ...form.fields, password }));
      if (answer?.status !== 200) {
        const { status, text } = answer ?? page;
        throw new Error(`choosing a password at ${url} ended with ${status}: ${text().slice(0, 600)}`);
      }
    },
    /** Opens the page with the sign-in form; answers what fills it in and sends it, as often as one likes. */
    async openSignIn(url) {
      let response = await load(url);
      for (let step = 0; step < MAX_STEPS && header(response, 'location'); step++) {
        url = new URL(header(response, 'location'), url).href;
        response = await load(url);
      }
      const form = findForm(response.text(), url, WITH_PASSWORD);
      if (!form) throw new Error(`no sign-in form at ${url}: ${response.status}`);
      return (email, password) => load(form.action, { ...form.fields, email, password });
    },
    /** Follows redirects and fills in the sign-in form until the browser would leave for `redirectUri`; answers that URL. */
    async signIn(url, { login, password, redirectUri }) {
      let response = await load(url);
      let signedIn = false;
      for (let step = 0; step < MAX_STEPS; step++) {
        const location = header(response, 'location');
        if (location) {
          url = new URL(location, url).href;
          if (url.startsWith(redirectUri)) return url;
          response = await load(url);
          continue;
        }
        const page = response.text();
        const form = findForm(page, url, WITH_PASSWORD);
        if (!form || signedIn) break;
        signedIn = true;
        url = form.action;
        response = await load(url, { ...form.fields, email: login, password });
      }
      throw new Error(`signing in stopped at ${url} with ${response.status}: ${response.text().slice(0, 600)}`);
    },
  };
}

import { createHash, randomBytes } from 'node:crypto';
import { createJar, findForm } from '../scripts/page-forms.mjs';
import { send } from './http.mjs';

let sessions = 0;

/** Enough of an answer for one line of a report. */
const plain = (text) =>
  text
    .replace(/<(style|script)[^>]*>.*?<\/\1>/gs, ' ')
    .replace(/<[^>]*>|\s+/g, ' ')
    .replace(/ +/g, ' ')
    .trim()
    .slice(0, 160);

/**
 * One person in one browser, and the application they use. Each method is one request, and one entry of the history.
 * `to` chooses the node; without it the world's own choice counts.
 */
export function createVisitor({ world, person, client }) {
  const { history, issuer, endpoints } = world;
  const jar = createJar();
  const state = {
    /** Where the browser is: the page with its URL. */
    page: undefined,
    proof: undefined,
    session: undefined,
    code: undefined,
    family: undefined,
    access: undefined,
    refresh: undefined,
    spent: [],
    revoked: [],
  };
  const consent = `consent:${person.id}/${client.id}`;
  const facts = { userId: person.id, clientId: client.id };
  const groups = () => [state.family, state.session, `user:${person.id}`, consent].filter(Boolean);

  /** @param judge says what an answer means and what is known since: [outcome, more of the operation] */
  async function perform(operation, request, judge, to = world.pick()) {
    const entry = history.begin({ facts, node: to?.name, ...operation });
    if (!to) return history.end(entry, 'not-sent');
    const { cookie = false, headers = {}, ...rest } = request;
    const cookies = cookie && jar.header(request.url);
    const answer = await send({
      port: to.port,
      ...rest,
      headers: { 'x-request-id': entry.id, ...(cookies && { cookie: cookies }), ...headers },
    });
    if (answer.failure) return history.end(entry, answer.failure, { error: answer.error.message });
    const { status } = answer;
    if (cookie) jar.store(answer.headers['set-cookie'], request.url);
    if (status === 429) return history.end(entry, 'limited', { status });
    if (status === 500 && !world.allowed500)
      world.violation(`${operation.kind} was answered by 500: ${plain(answer.text)}`);
    if (status >= 500) return history.end(entry, 'unknown', { status, error: plain(answer.text) });
    const [outcome, more = {}] = judge(answer);
    return history.end(entry, outcome, { status, ...more });
  }

  /** In the browser: keeps cookies, and remembers the page or where it was sent. */
  function browse(operation, url, { form, judge, to }) {
    const request = { url, cookie: true, headers: { accept: 'text/html' } };
    if (form)
      Object.assign(request, {
        form,
        headers: { ...request.headers, origin: issuer, 'sec-fetch-site': 'same-origin' },
      });
    return perform(
      operation,
      request,
      (answer) => {
        const { location } = answer.headers;
        const next = location && new URL(location, url).href;
        if (!next) state.page = { url, text: answer.text };
        return judge({ ...answer, next });
      },
      to,
    );
  }

  /** A redirect within the sign-in, which nothing hangs on but the next step. */
  const goes = ({ next, status, text }) => [
    next ? 'acknowledged' : status < 400 ? 'acknowledged' : 'refused',
    { next, said: next ? undefined : plain(text) },
  ];

  /** Where a browser is sent after sign-in or consent: on to a question, or back with a code or an error. */
  function arrival({ next, status, text }) {
    if (!next) return ['refused', { said: `${status} ${plain(text)}` }];
    if (!next.startsWith(client.redirectUri)) return ['acknowledged', { next }];
    const code = new URL(next).searchParams.get('code');
    if (!code) {
      const said = new URL(next).searchParams.get('error');
      // The session counts, and more than a session is wanted.
      return [said === 'consent_required' ? 'acknowledged' : 'refused', { said }];
    }
    state.code = code;
    state.family = `family:${code.slice(0, 24)}`;
    return ['acknowledged', { arrived: true, yields: [{ value: `code:${code}`, groups: groups() }] }];
  }

  function tokensOf(answer) {
    const { access_token: access, refresh_token: refresh } = JSON.parse(answer.text);
    return { access, refresh };
  }

  const basic = (of = client) => ({
    authorization: `Basic ${Buffer.from(`${of.id}:${of.secret}`).toString('base64')}`,
  });
  const errorOf = ({ text }) => {
    try {
      return JSON.parse(text).error;
    } catch {
      return plain(text);
    }
  };

  function sessionBegan(entry) {
    entry.audit = ['session.started'];
    entry.yields = [...(entry.yields ?? []), { value: state.session, groups: [`user:${person.id}`] }];
  }

  const visitor = {
    person,
    client,
    state,
    /** Opens the application's sign-in. `prompt: 'none'` only asks whether the session still counts. */
    async open({ to, prompt } = {}) {
      const verifier = randomBytes(32).toString('base64url');
      state.proof = verifier;
      const parameters = {
        client_id: client.id,
        redirect_uri: client.redirectUri,
        response_type: 'code',
        scope: client.scope,
        state: 'faults',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...(prompt && { prompt }),
      };
      const silent = prompt === 'none';
      const entry = await browse(
        { kind: silent ? 'ask-session' : 'open', ...(silent && state.session && { accepts: [`${state.session}`] }) },
        `${endpoints.authorization_endpoint}?${new URLSearchParams(parameters)}`,
        { to, judge: (answer) => arrival(answer) },
      );
      if (entry.next) state.page = { url: entry.next };
      return entry;
    },
    /** The page behind the redirect. */
    async look({ to } = {}) {
      const entry = await browse({ kind: 'look' }, state.page.url, { to, judge: goes });
      if (entry.next) state.page = { url: entry.next };
      // Only who is signed in is asked for consent.
      if (state.undecided && /name="shown"/.test(state.page.text ?? '')) sessionBegan(state.undecided);
      state.undecided = undefined;
      return entry;
    },
    async submitPassword({ to, password = person.password } = {}) {
      const form = findForm(state.page.text ?? '', state.page.url, /name="password"/);
      if (!form)
        return {
          outcome: 'refused',
          said: `no form for a password at ${state.page.url}: ${state.page.text?.slice(0, 300)}`,
        };
      const entry = await browse({ kind: 'sign-in', audit: ['sign_in.succeeded'] }, form.action, {
        to,
        form: { ...form.fields, email: person.login, password },
        judge: ({ next, text, status }) =>
          next ? ['acknowledged', { next }] : ['refused', { said: `${status} ${plain(text)}` }],
      });
      if (entry.next) {
        state.resume = entry.next;
        sessions += 1;
        state.session = `session:${process.pid}-${sessions}`;
      }
      return entry;
    },
    /** Goes on after the password or the consent. */
    async resume({ to, afterSignIn = true } = {}) {
      const entry = await browse({ kind: 'resume' }, state.resume, { to, judge: (answer) => arrival(answer) });
      if (afterSignIn && entry.outcome === 'acknowledged') {
        if (entry.arrived) sessionBegan(entry);
        // To be asked for the password again, perhaps, by somebody who was disabled at this moment.
        else state.undecided = entry;
      }
      if (entry.next) state.page = { url: entry.next };
      return entry;
    },
    async allow({ to } = {}) {
      const form = findForm(state.page.text ?? '', state.page.url, /name="shown"/);
      if (!form) return { outcome: 'refused', said: `no form for consent at ${state.page.url}` };
      const entry = await browse(
        { kind: 'consent', audit: ['consent.granted'], facts: { ...facts, scopes: client.scope.split(' ') } },
        form.action,
        {
          to,
          form: { ...form.fields, decision: 'allow' },
          judge: ({ next, text, status }) =>
            next ? ['acknowledged', { next }] : ['refused', { said: `${status} ${plain(text)}` }],
        },
      );
      if (entry.next) state.resume = entry.next;
      return entry;
    },
    async exchange({ to, code = state.code } = {}) {
      const family = state.family;
      const entry = await perform(
        { kind: 'exchange', spends: [`code:${code}`], ends: { refused: [family] }, audit: ['token.issued'] },
        {
          url: endpoints.token_endpoint,
          headers: basic(),
          form: {
            grant_type: 'authorization_code',
            code,
            code_verifier: state.proof,
            redirect_uri: client.redirectUri,
          },
        },
        (answer) => {
          if (answer.status !== 200) return ['refused', { said: errorOf(answer) }];
          const { access, refresh } = tokensOf(answer);
          Object.assign(state, { access, refresh, spent: [] });
          return ['acknowledged', { yields: issued(access, refresh) }];
        },
        to,
      );
      return entry;
    },
    async renew({ to, refresh = state.refresh, keep = true } = {}) {
      return perform(
        { kind: 'refresh', spends: [`refresh:${refresh}`], ends: { refused: [state.family] }, audit: ['token.issued'] },
        {
          url: endpoints.token_endpoint,
          headers: basic(),
          form: { grant_type: 'refresh_token', refresh_token: refresh },
        },
        (answer) => {
          if (answer.status !== 200) return ['refused', { said: errorOf(answer) }];
          const tokens = tokensOf(answer);
          if (keep) {
            state.spent.push(refresh);
            Object.assign(state, tokens);
          }
          return ['acknowledged', { yields: issued(tokens.access, tokens.refresh) }];
        },
        to,
      );
    },
    /** Whether the service takes this value for valid. */
    introspect(value, { to } = {}) {
      return perform(
        { kind: 'introspect', accepts: [value] },
        {
          url: endpoints.introspection_endpoint,
          headers: basic(),
          form: { token: value.slice(value.indexOf(':') + 1) },
        },
        (answer) => {
          if (answer.status !== 200) return ['unknown', { said: errorOf(answer) }];
          return [JSON.parse(answer.text).active ? 'acknowledged' : 'refused'];
        },
        to,
      );
    },
    userinfo({ to, access = state.access } = {}) {
      return perform(
        { kind: 'userinfo', accepts: [`access:${access}`] },
        { url: endpoints.userinfo_endpoint, headers: { authorization: `Bearer ${access}` } },
        (answer) => [answer.status === 200 ? 'acknowledged' : 'refused'],
        to,
      );
    },
    revoke({ to, value = `refresh:${state.refresh}` } = {}) {
      const whole = value.startsWith('refresh:') ? [state.family] : [value];
      const first = !state.revoked.includes(value);
      state.revoked.push(value);
      return perform(
        // A second time there is nothing to record any more.
        { kind: 'revoke', ends: { acknowledged: whole }, audit: first ? ['token.revoked'] : [] },
        { url: endpoints.revocation_endpoint, headers: basic(), form: { token: value.slice(value.indexOf(':') + 1) } },
        (answer) => [answer.status === 200 ? 'acknowledged' : 'refused'],
        to,
      );
    },
    async askToLeave({ to } = {}) {
      const url = `${endpoints.end_session_endpoint}?${new URLSearchParams({ client_id: client.id })}`;
      return browse({ kind: 'ask-to-leave' }, url, { to, judge: goes });
    },
    async leave({ to } = {}) {
      const form = findForm(state.page.text ?? '', state.page.url, /logoutForm/);
      if (!form) return { outcome: 'refused', said: `no form for sign-out at ${state.page.url}` };
      return browse(
        { kind: 'sign-out', ends: { acknowledged: [state.session] }, audit: ['session.ended'] },
        form.action,
        {
          to,
          form: { ...form.fields, logout: 'yes' },
          judge: ({ next, status, text }) =>
            next || status === 200 ? ['acknowledged'] : ['refused', { said: plain(text) }],
        },
      );
    },
    async openLink(link, { to } = {}) {
      return browse({ kind: 'open-link' }, `${issuer}/set-password/${link}`, { to, judge: goes });
    },
    async setPassword(link, password, { to } = {}) {
      const form = findForm(state.page.text ?? '', state.page.url, /name="password"/);
      if (!form) return { outcome: 'refused', said: 'no form to choose a password' };
      return browse(
        {
          kind: 'set-password',
          spends: [`link:${link}`],
          ends: { acknowledged: [`user:${person.id}`] },
          audit: ['password.changed'],
          facts: { ...facts, link },
        },
        form.action,
        {
          to,
          form: { ...form.fields, password },
          judge: ({ status, text }) =>
            status === 200 ? ['acknowledged'] : ['refused', { said: `${status} ${plain(text)}` }],
        },
      );
    },
    machineToken({ to, of }) {
      return perform(
        { kind: 'client-credentials', audit: ['token.issued'], facts: { clientId: of.id } },
        { url: endpoints.token_endpoint, headers: basic(of), form: { grant_type: 'client_credentials' } },
        (answer) => {
          if (answer.status !== 200) return ['refused', { said: errorOf(answer) }];
          const { access } = tokensOf(answer);
          return ['acknowledged', { yields: [{ value: `machine:${access}`, groups: [`client:${of.id}`] }], access }];
        },
        to,
      );
    },
  };

  function issued(access, refresh) {
    return [
      { value: `access:${access}`, groups: groups() },
      ...(refresh ? [{ value: `refresh:${refresh}`, groups: groups() }] : []),
    ];
  }

  return visitor;
}

/** From nothing to a code: password page, sign-in, consent where it is asked. Answers the operation that failed, or the last one. */
export async function signIn(visitor, options = {}) {
  return goOnSigningIn(visitor, await visitor.open(options), options);
}

/** The rest of a sign-in after `begun`, its latest step. */
export async function goOnSigningIn(visitor, begun, options = {}) {
  let step = begun;
  for (let steps = 0; steps < 6 && step.outcome === 'acknowledged' && !step.arrived; steps++) {
    if (step.next) {
      step = await (step.next === visitor.state.resume ? visitor.resume(options) : visitor.look(options));
      continue;
    }
    const { text = '' } = visitor.state.page;
    if (/name="shown"/.test(text)) {
      step = await visitor.allow(options);
      if (step.outcome === 'acknowledged') step = await visitor.resume({ ...options, afterSignIn: false });
    } else {
      step = await visitor.submitPassword(options);
      if (step.outcome === 'acknowledged') step = await visitor.resume(options);
    }
  }
  return step;
}

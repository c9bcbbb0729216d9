// The ports of the demo, looked at before any of its processes starts.
import { createServer } from 'node:net';

const WHO = {
  PORT: 'Daemun',
  DEMO_WEB_APP_PORT: 'the sample web application',
  DEMO_API_PORT: 'the sample API',
  DEMO_UPSTREAMS_PORT: 'the pretend Google and Discord',
};

/**
 * What is wrong with them, in sentences for whoever runs the demo.
 * @param ports by the variable that chooses it: the port, and the host that it is listened on
 */
export async function problemsOfPorts(ports) {
  const problems = [];
  const wanted = new Map();
  for (const [name, { port, host }] of Object.entries(ports)) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      problems.push(`${name}, for ${WHO[name]}, must be a port: a number from 1 to 65535.`);
    } else if (wanted.has(port)) {
      problems.push(`${wanted.get(port)} and ${name} are both ${port}: ${WHO[name]} needs a port of its own.`);
    } else {
      wanted.set(port, name);
      const code = await failureOfListening(port, host);
      if (code) problems.push(sentence(code, name, port));
    }
  }
  return problems;
}

function sentence(code, name, port) {
  const remedy = `choose another one: ${name}=${port < 60_000 ? port + 1_000 : port - 1_000} npm run demo`;
  return code === 'EADDRINUSE'
    ? `Port ${port}, for ${WHO[name]}, is in use by another process. Stop it, or ${remedy}`
    : `Port ${port}, for ${WHO[name]}, cannot be used (${code}); ${remedy}`;
}

/** The code of the error, if there is one. */
function failureOfListening(port, host) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }) => resolve(code));
    server.listen({ port, host }, () => server.close(() => resolve(undefined)));
  });
}

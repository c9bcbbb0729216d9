import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { freePort } from '../../scripts/free-port.mjs';
import { startSteadyLoad } from '../steady-load.mjs';

const RATE = 100;

/** Two nodes behind nginx are restarted one after the other, again and again; nobody notices. */
export const rollingRestart = {
  name: 'rolling-restart',
  title: `rolling restarts of two nodes behind nginx under ${RATE} requests a second, none of which fails`,
  seconds: 30,
  async run(open, { seconds, short }) {
    const nginx = findNginx();
    if (!nginx) return { skipped: 'nginx is not installed' };
    const world = await open({
      people: 12,
      issuerPort: await freePort(),
      // Longer than the balancer keeps idle connections: those in use get one last answer, the others are closed by it and not by us.
      environment: { DAEMUN_SHUTDOWN_DELAY: '2' },
    });
    if (world.embedded) return { skipped: 'the embedded database has one node' };
    const { nodes, history } = world;
    await world.startAll();
    const front = await startNginx(nginx, world);
    world.closing.push(front.stop);
    const entrance = { name: 'nginx', port: world.issuerPort };
    const load = await startSteadyLoad(world, { to: entrance, rate: short ? 50 : RATE });
    const until = Date.now() + seconds * 1_000;
    let restarts = 0;
    do {
      for (const node of nodes) {
        history.note = `restart ${restarts + 1} (${node.name})`;
        await pause(500);
        const { code } = await node.stop();
        if (code !== 0) world.violation(`${node.name} ended with ${code}: ${node.said().slice(-500)}`);
        await node.start();
        restarts += 1;
      }
    } while (Date.now() < until);
    await pause(500);
    const { sent, rate } = await load.stop();
    return { world, seen: `${restarts} restarts, ${sent} requests, ${rate.toFixed(0)} a second` };
  },
};

function findNginx() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

/** As in docs/operations.md: who cannot be reached, or says that it is stopping, is left out and the next one asked. */
async function startNginx(binary, { folder, nodes, issuerPort }) {
  const directory = join(folder, 'nginx');
  mkdirSync(directory);
  const file = join(directory, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  upstream daemun {
    ${nodes.map(({ port }) => `server 127.0.0.1:${port} max_fails=0;`).join('\n    ')}
    keepalive 16;
    keepalive_timeout 1s;
  }
  server {
    listen 127.0.0.1:${issuerPort};
    location / {
      proxy_pass http://daemun;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout http_503;
    }
  }
}
`,
  );
  const server = spawn(binary, ['-p', directory, '-c', file], { stdio: 'ignore' });
  const ended = new Promise((resolve) => server.once('close', resolve));
  const endWithUs = () => server.kill('SIGKILL');
  process.once('exit', endWithUs);
  return {
    async stop() {
      process.off('exit', endWithUs);
      server.kill('SIGTERM');
      await ended;
    },
  };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

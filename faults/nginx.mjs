import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export function findNginx() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

/** As in docs/operations.md: who cannot be reached, or says that it is stopping, is left out and the next one asked. */
export async function startNginx(binary, { folder, nodes, issuerPort }) {
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
    /** Why it answered 502 or 504, a line each; a node that was asked in vain and another that answered instead is none. */
    problems: () =>
      readFileSync(join(directory, 'error.log'), 'utf8')
        .split('\n')
        .filter((line) => line.includes('[error]') && !line.includes('Connection refused')),
    async stop() {
      process.off('exit', endWithUs);
      server.kill('SIGTERM');
      await ended;
    },
  };
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import ipaddr from 'ipaddr.js';
import { parse, parseAllDocuments } from 'yaml';
import { sectionsWith } from '../../src/config/schema.ts';
import { providers } from '../../src/upstreams/registry.ts';

// biome-ignore lint/suspicious/noExplicitAny: what the files say is what is tested
type Json = any;

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const variables = Object.assign({}, ...Object.values(sectionsWith(providers)));
/** Every name that may be set, with those of files. */
const known = new Set(
  Object.entries<{ secret?: boolean }>(variables).flatMap(([name, { secret }]) =>
    secret ? [name, `${name}_FILE`] : [name],
  ),
);
const isWithin = (address: string, range: string) => ipaddr.parse(address).match(ipaddr.parseCIDR(range));
/** How long a node may take to end after SIGTERM, as DAEMUN_SHUTDOWN_DELAY describes it. */
const STOPPING = 35;

describe('compose.yaml', () => {
  const { services, volumes, networks } = parse(read('compose.yaml'), { merge: true }) as Json;
  const ours = ['migrate', 'node-1', 'node-2'];

  test('sets only variables that the service knows', () => {
    const names = ours.flatMap((name) => Object.keys(services[name].environment));
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  test('names only services, files, volumes and networks that exist', () => {
    for (const service of Object.values<Json>(services)) {
      for (const name of Object.keys(service.depends_on ?? {})) expect(Object.keys(services)).toContain(name);
      const used = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks);
      for (const name of used) expect(Object.keys(networks)).toContain(name);
      for (const mount of (service.volumes ?? []) as string[]) {
        const [source = ''] = mount.split(':');
        if (source.startsWith('.')) expect([source, existsSync(join(root, source))]).toEqual([source, true]);
        else expect(Object.keys(volumes)).toContain(source);
      }
    }
  });

  test('nodes wait for the migration, write nowhere, may nothing, and get time to end', () => {
    for (const name of ['node-1', 'node-2']) {
      const node = services[name];
      expect(node.depends_on.migrate.condition).toBe('service_completed_successfully');
      expect([node.read_only, node.cap_drop, node.security_opt]).toEqual([true, ['ALL'], ['no-new-privileges:true']]);
      const delay = Number(node.environment.DAEMUN_SHUTDOWN_DELAY);
      expect(Number.parseInt(node.stop_grace_period, 10)).toBeGreaterThanOrEqual(delay + STOPPING);
    }
  });

  test('one service builds the image, and no other is to fetch from elsewhere what has its name', () => {
    const [builder, ...others] = ours;
    expect(services[builder!].build).toBe('.');
    expect(services[builder!].pull_policy).toBeUndefined();
    for (const name of others) {
      const { build, image, pull_policy: policy } = services[name];
      expect([name, build, image, policy]).toEqual([name, undefined, services[builder!].image, 'never']);
    }
  });

  test('the roles of the nodes and of the migration are those that PostgreSQL is given', () => {
    const roles = [...read('deploy/postgres/10-roles.sh').matchAll(/CREATE ROLE (\w+)/g)].map(([, role]) => role);
    const roleOf = (name: string) => /\/\/(\w+):/.exec(services[name].environment.DATABASE_URL)?.[1];
    expect([roleOf('migrate'), roleOf('node-1')]).toEqual(roles);
    expect(services.migrate.command.at(-1)).toBe(roleOf('node-1'));
  });

  test('nginx takes no node out for a 503, which all say while the database is away', () => {
    const [, told] = /^\s*proxy_next_upstream (.+);$/m.exec(read('deploy/nginx/daemun.conf'))!;
    expect(told).toBe('error timeout http_502');
  });

  test('nodes believe nginx alone about who asks', () => {
    const { ipv4_address } = services.nginx.networks.inside;
    for (const name of ['node-1', 'node-2']) {
      expect(services[name].environment.TRUSTED_PROXIES).toBe(`${ipv4_address}/32`);
    }
  });

  test('nginx and the nodes keep the addresses by which they know each other, which no other container can be given', () => {
    const [{ subnet, ip_range: others }] = networks.inside.ipam.config;
    const fixed = ['nginx', 'node-1', 'node-2'].map((name) => services[name].networks.inside.ipv4_address);
    expect(new Set(fixed).size).toBe(fixed.length);
    for (const address of fixed) {
      expect([address, isWithin(address, subnet), isWithin(address, others)]).toEqual([address, true, false]);
    }
    const [first] = others.split('/');
    expect(isWithin(first, subnet)).toBe(true);
  });

  test('nginx sends to the nodes, on the port they listen on', () => {
    const targets = [...read('deploy/nginx/daemun.conf').matchAll(/^ {2}server ([\w-]+):(\d+)/gm)];
    expect(targets.map(([, host, port]) => [host, port])).toEqual([
      ['node-1', '3000'],
      ['node-2', '3000'],
    ]);
  });
});

describe('the manifests for Kubernetes', () => {
  const folder = 'deploy/kubernetes/base';
  const { resources } = parse(read(`${folder}/kustomization.yaml`)) as Json;
  const objects: Json[] = resources.flatMap((path: string) => documents(`${folder}/${path}`));
  const find = (kind: string): Json => objects.find((object) => object.kind === kind);
  const deployment = find('Deployment');
  const pod = deployment.spec.template.spec;
  const [node] = pod.containers;
  const migration = find('Job').spec.template.spec;
  const labels = deployment.spec.template.metadata.labels;

  function documents(path: string): Json[] {
    return parseAllDocuments(read(path)).map((document) => {
      expect([path, document.errors]).toEqual([path, []]);
      return document.toJS();
    });
  }

  test('are all applied, but for the example of secrets', () => {
    const files = readdirSync(join(root, folder)).filter((name) => name !== 'kustomization.yaml');
    expect(files.filter((name) => !name.includes('example')).toSorted()).toEqual([...resources].toSorted());
  });

  test('set only variables that the service knows', () => {
    const names = [
      ...Object.keys(find('ConfigMap').data),
      ...[...node.env, ...migration.containers[0].env].map(({ name }: Json) => name),
    ];
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  test('take secrets by the names and keys that the example has', () => {
    const given = Object.fromEntries(
      documents(`${folder}/secret.example.yaml`).map(({ metadata, stringData }) => [
        metadata.name,
        Object.keys(stringData),
      ]),
    );
    const references = [...node.env, ...migration.containers[0].env]
      .map(({ valueFrom }: Json) => valueFrom?.secretKeyRef)
      .filter(Boolean);
    for (const { name, key } of references) expect(given[name]).toContain(key);
    const [volume] = pod.volumes;
    for (const { key } of volume.secret.items) expect(given[volume.secret.secretName]).toContain(key);
    const [mount] = node.volumeMounts;
    const file = node.env.find(({ name }: Json) => name === 'KEY_ENCRYPTION_KEY_FILE').value;
    expect(file).toBe(`${mount.mountPath}/${volume.secret.items[0].path}`);
  });

  test('select the pods that there are', () => {
    const selectors = [
      deployment.spec.selector.matchLabels,
      find('Service').spec.selector,
      find('PodDisruptionBudget').spec.selector.matchLabels,
      ...pod.topologySpreadConstraints.map(({ labelSelector }: Json) => labelSelector.matchLabels),
    ];
    for (const selector of selectors) expect(labels).toMatchObject(selector);
    expect(find('Job').spec.template.metadata.labels).not.toMatchObject(find('Service').spec.selector);
    expect(find('HorizontalPodAutoscaler').spec.scaleTargetRef.name).toBe(deployment.metadata.name);
  });

  test('let an ingress go on with nodes that are not ready when none is: keys are answered without a database too', () => {
    const name = find('Ingress').metadata.annotations['nginx.ingress.kubernetes.io/default-backend'];
    const services = objects.filter(({ kind }) => kind === 'Service');
    const fallback = services.find(({ metadata }) => metadata.name === name);
    expect(fallback.spec).toEqual({ ...find('Service').spec, publishNotReadyAddresses: true });
    // By the other one, a node that ends would be asked until it is gone.
    expect(find('Service').spec.publishNotReadyAddresses).toBeUndefined();
    expect(node.readinessProbe.httpGet.path).toBe('/readyz');
  });

  test('lead requests and figures to the ports that are listened on', () => {
    const ports = Object.fromEntries(node.ports.map(({ name, containerPort }: Json) => [name, containerPort]));
    expect(ports).toEqual({ http: 3000, metrics: Number(find('ConfigMap').data.DAEMUN_METRICS_PORT) });
    const [port] = find('Service').spec.ports;
    expect(Object.keys(ports)).toContain(port.targetPort);
    const { backend } = find('Ingress').spec.rules[0].http.paths[0];
    expect(backend.service).toEqual({ name: find('Service').metadata.name, port: { name: port.name } });
    for (const probe of [node.startupProbe, node.livenessProbe, node.readinessProbe]) {
      expect(Object.keys(ports)).toContain(probe.httpGet.port);
    }
    expect([node.livenessProbe.httpGet.path, node.readinessProbe.httpGet.path]).toEqual(['/healthz', '/readyz']);
    const open = find('NetworkPolicy').spec.ingress.flatMap(({ ports: list }: Json) => list);
    expect(open.map((entry: Json) => entry.port)).toEqual(Object.values(ports));
  });

  test('give no privilege to anything, and no file system to write on', () => {
    for (const { containers, securityContext, automountServiceAccountToken } of [pod, migration]) {
      expect(automountServiceAccountToken).toBe(false);
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const { securityContext: own } of containers) {
        expect(own).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
  });

  test('keep the variables out that a cluster makes for each service: ours begin with the name of this one', () => {
    expect(find('Service').metadata.name.toUpperCase()).toBe('DAEMUN');
    for (const { enableServiceLinks } of [pod, migration]) expect(enableServiceLinks).toBe(false);
  });

  test('have the migration run before the nodes, and after what it needs itself, also at the first installation', () => {
    const wave = ({ metadata }: Json) => Number(metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? 0);
    const job = find('Job');
    // What belongs to the waves comes after all of PreSync.
    expect(job.metadata.annotations['argocd.argoproj.io/hook']).toBe('Sync');
    expect(migration.serviceAccountName).toBe(find('ServiceAccount').metadata.name);
    for (const kind of ['Namespace', 'ServiceAccount', 'NetworkPolicy'])
      expect(wave(find(kind))).toBeLessThan(wave(job));
    expect(wave(job)).toBeLessThan(wave(deployment));
  });

  test('let the nodes reach names, the database, Redis, mail and those whom people sign in with', () => {
    const open = find('NetworkPolicy').spec.egress.flatMap(({ ports }: Json) => ports.map(({ port }: Json) => port));
    expect(open).toEqual(expect.arrayContaining([53, 443, 465, 587, 5432, 6432, 6379]));
    const redis = new URL(find('ConfigMap').data.REDIS_URL);
    expect(open).toContain(Number(redis.port));
  });

  test('keep at least one node while others are taken away or replaced', () => {
    const { minReplicas, maxReplicas } = find('HorizontalPodAutoscaler').spec;
    expect(minReplicas).toBeGreaterThan(find('PodDisruptionBudget').spec.maxUnavailable);
    expect(maxReplicas).toBeGreaterThan(minReplicas);
    expect(deployment.spec.strategy.rollingUpdate.maxUnavailable).toBe(0);
    expect(deployment.spec.replicas).toBeUndefined();
  });

  test('have no secret among what everybody may read', () => {
    const secret = Object.entries<{ secret?: boolean }>(variables).flatMap(([name, of]) => (of.secret ? [name] : []));
    const shown = Object.entries<string>(find('ConfigMap').data).filter(([name]) => secret.includes(name));
    // An address may be shown as long as nobody's password is in it.
    for (const [, value] of shown) expect(new URL(value).password).toBe('');
  });

  test('wait for a pod as long as it may take to end', () => {
    const delay = Number(find('ConfigMap').data.DAEMUN_SHUTDOWN_DELAY);
    expect(delay).toBeGreaterThan(0);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(delay + STOPPING);
  });
});

test('docs/operations.md watches only figures that there are, and names only variables that there are', () => {
  const page = read('docs/operations.md');
  const figures = new Set([...read('docs/metrics.md').matchAll(/`(daemun_\w+)/g)].map(([, name]) => name));
  const watched = [...page.matchAll(/\b(daemun_\w+?)(?:_bucket)?(?=[{[ )`])/g)].map(([, name]) => name!);
  const roles = ['daemun_app', 'daemun_owner'];
  expect(watched.filter((name) => !figures.has(name) && !roles.includes(name))).toEqual([]);
  const named = [...page.matchAll(/`(DAEMUN_\w+|[A-Z]+_URL|WORKERS|TRUSTED_PROXIES|DATABASE_\w+)[`=]/g)];
  expect(named.map(([, name]) => name!).filter((name) => !known.has(name))).toEqual([]);
});

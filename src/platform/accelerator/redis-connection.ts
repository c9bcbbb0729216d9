import type { RedisClientOptions } from 'redis';
import type { SecretText } from '../secret-text.ts';

export interface RedisSettings {
  /** One server; the servers that Sentinels watch; or a Cluster. */
  mode: 'single' | 'sentinel' | 'cluster';
  /** The server, the Sentinels, or some of the Cluster. */
  nodes: { host: string; port: number }[];
  tls: boolean;
  username?: string;
  password?: SecretText;
  database?: number;
  sentinel?: { master: string; password?: SecretText };
}

/** The few commands that are needed, whoever serves them. Each is for one key, so that a Cluster can serve them too. */
export interface RedisConnection {
  /** Asks the server that holds the data; of a Cluster every one that holds a part of it. */
  ping(): Promise<unknown>;
  get(key: string): Promise<string | null>;
  set(key: string, value: string, milliseconds: number): Promise<unknown>;
  remove(key: string): Promise<unknown>;
  evaluate(script: string, key: string, values: string[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  close(): void;
}

export interface ConnectionEvents {
  channel: string;
  onMessage(message: string): void;
  /** Messages may have been missed. */
  onListening(): void;
  onTrouble(error: unknown): void;
}

/** Milliseconds: what hangs is given up after `socketTimeout`; pings, which are answered before, keep what is idle alive. */
const SOCKET = { connectTimeout: 2_000, socketTimeout: 3_000 };
const PING = 1_000;
const QUEUE = 10_000;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 5_000;

/** Doubles, and lies anywhere between nothing and twice its middle: nodes that lost the same server come back one by one. */
export function reconnectPause(tries: number): number {
  return Math.max(20, Math.random() * Math.min(FIRST_PAUSE * 2 ** Math.min(tries, 10), LONGEST_PAUSE));
}

/** What all three kinds of client have, as far as it is needed. */
interface Commands {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  destroy(): unknown;
  on(event: string, hear: (...args: unknown[]) => void): unknown;
  ping(): Promise<unknown>;
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { expiration: { type: 'PX'; value: number } }): Promise<unknown>;
  del(key: string): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string, hear: (message: string) => void): Promise<unknown>;
}

/** Connects, and connects again, by itself. Not even the library is waited for: a start does not take longer because of it. */
export function openRedisConnection(
  settings: RedisSettings,
  { channel, onMessage, onListening, onTrouble }: ConnectionEvents,
): RedisConnection {
  const loading = clientsOf(settings);
  let isClosed = false;
  const clients = new Set<Commands>();

  async function open(): Promise<Commands> {
    const create = await loading;
    // A command may be done before the library is here.
    if (isClosed) throw new Error('closed already');
    const client = create();
    clients.add(client);
    client.on('error', onTrouble);
    client.on('reconnecting', onTrouble);
    return client;
  }

  /**
   * Connects, and anew with another client when one gave up: of a single server whenever the connection is lost, because a pause of
   * the library's own would keep a command that is done from ending; of Sentinels and Clusters when the first connection fails.
   */
  async function stayConnected(use: (client: Commands) => unknown): Promise<void> {
    for (let tries = 0; !isClosed; tries++) {
      const client = await open().catch(onTrouble);
      if (!client) return;
      const end = new Promise<void>((resolve) => {
        client.on('error', () => client.isOpen || resolve());
      });
      try {
        await client.connect();
        await use(client);
        tries = 0;
        await end;
      } catch (error) {
        if (!isClosed) onTrouble(error);
      }
      clients.delete(client);
      destroy(client);
      await new Promise((resolve) => setTimeout(resolve, reconnectPause(tries)).unref());
    }
  }

  let current: Commands | undefined;
  void stayConnected((client) => {
    current = client;
  });
  // A connection that listens is of no other use to a single server.
  void stayConnected(async (listener) => {
    listener.on('ready', onListening);
    await listener.subscribe(channel, onMessage);
    onListening();
  });

  function use<Result>(act: (client: Commands) => Promise<Result>): Promise<Result> {
    return current ? act(current) : Promise.reject(new Error('not connected yet'));
  }

  return {
    ping: () => use((client) => client.ping()),
    get: (key) => use((client) => client.get(key)),
    set: (key, value, milliseconds) =>
      use((client) => client.set(key, value, { expiration: { type: 'PX', value: milliseconds } })),
    remove: (key) => use((client) => client.del(key)),
    evaluate: (script, key, values) => use((client) => client.eval(script, { keys: [key], arguments: values })),
    publish: (to, message) => use((client) => client.publish(to, message)),
    close() {
      isClosed = true;
      for (const client of clients) destroy(client);
    },
  };
}

function destroy(client: Commands): void {
  try {
    void Promise.resolve(client.destroy()).catch(() => {});
  } catch {
    // It was closed already.
  }
}

/** The library is loaded here, and only where Redis is used. */
async function clientsOf(settings: RedisSettings): Promise<() => Commands> {
  const { createClient, createCluster, createSentinel } = await import('redis');
  const { nodes, username, password, database = 0, tls, sentinel } = settings;
  const connection = {
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE,
    pingInterval: PING,
    socket: { ...SOCKET, ...(tls && { tls: true as const }), reconnectStrategy: reconnectPause },
    // Late commands are dealt with by the breaker, which needs no timer in the library.
    commandOptions: { timeout: undefined },
  } satisfies RedisClientOptions;
  const credentials = { ...(username && { username }), ...(password && { password: password.reveal() }) };
  const { commandOptions: _, ...ofNodes } = connection;

  if (settings.mode === 'cluster') {
    return () =>
      createCluster({
        rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })),
        defaults: { ...ofNodes, ...credentials } as never,
      }) as unknown as Commands;
  }
  if (settings.mode === 'sentinel') {
    const ofSentinels = sentinel?.password ? { password: sentinel.password.reveal() } : {};
    return () =>
      createSentinel({
        name: sentinel!.master,
        sentinelRootNodes: nodes,
        nodeClientOptions: { ...ofNodes, ...credentials, database } as never,
        sentinelClientOptions: { ...ofNodes, ...ofSentinels } as never,
        passthroughClientErrorEvents: true,
        scanInterval: 1_000,
      }) as unknown as Commands;
  }
  const [{ host, port }] = nodes as [{ host: string; port: number }];
  return () =>
    createClient({
      ...connection,
      ...credentials,
      database,
      socket: { ...connection.socket, host, port, reconnectStrategy: false },
    } as RedisClientOptions) as unknown as Commands;
}

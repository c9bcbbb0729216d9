/** Something to happen outside, once the transaction that wrote it is committed. */
export interface NewEffect {
  /** Which handler delivers it. */
  kind: string;
  /** To whom, as the delivery log shows it: an address, a client. Never a secret. It cannot be exchanged for another one later. */
  target: string;
  /** What, as the delivery log shows it. Never a secret. */
  summary: string;
  /** What the handler needs. Nobody can read it in the database, and it is erased once it was delivered. */
  payload: unknown;
  /** Seconds after which it is of no use to anybody. For ever when left out. */
  usefulFor?: number;
}

/** What a handler gets. */
export interface Effect {
  /** The same at every try: receivers tell a repetition by it. */
  id: string;
  target: string;
  payload: unknown;
  createdAt: Date;
}

export type DeliveryOutcome =
  | { kind: 'delivered' }
  /** Worth another try. */
  | { kind: 'failed'; reason: string }
  /** For good, such as an address that there is not: trying again is of no use until somebody has looked. */
  | { kind: 'refused'; reason: string }
  /** It was not even tried, and is not to be for so many seconds. */
  | { kind: 'delayed'; seconds: number; reason: string };

export interface EffectHandler {
  /**
   * May be called again for what was delivered already, when nobody lived to say so. What it throws is as good as `failed`.
   * `signal`: nobody waits for it any more.
   */
  deliver(effect: Effect, signal: AbortSignal): Promise<DeliveryOutcome>;
}

/** By kind. */
export type EffectHandlers = Readonly<Record<string, EffectHandler>>;

/** An entry of the delivery log. */
export interface LoggedEffect {
  id: string;
  kind: string;
  target: string;
  summary: string;
  state: 'waiting' | 'delivering' | 'delivered' | 'dead';
  tries: number;
  createdAt: Date;
  /** When it is tried next. */
  dueAt?: Date;
  expiresAt?: Date;
  deliveredAt?: Date;
  diedAt?: Date;
  lastError?: string;
  /** False once nothing is left that could be delivered. */
  canBeRetried: boolean;
}

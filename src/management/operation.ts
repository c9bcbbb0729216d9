import type { Context } from 'koa';
import type * as z from 'zod';
import type { OwnApiScope } from '../api-keys/own-api.ts';
import type { AuditContext } from '../audit/audit.ts';
import type { Caller } from './caller.ts';

export interface Answer {
  description: string;
  /** Absent: no body. */
  schema?: z.ZodType;
  headers?: Record<string, string>;
}

/** One thing that can be asked of the API: what its documentation is made of, and what its requests are held against. */
export interface OperationSpec {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, parameters as `{id}`. */
  path: string;
  tag: string;
  summary: string;
  description?: string;
  /** Any one of them is enough; none: whoever is known; `public`: nobody is asked who they are. */
  scopes: readonly OwnApiScope[] | 'public';
  /** Of callers with a session: seconds since they signed in. */
  freshSignIn?: number;
  query?: z.ZodObject;
  body?: z.ZodObject;
  /** Of an operation that reads its body itself, as bytes. */
  rawBody?: z.ZodType;
  /** A request without a body is one with an empty object. */
  isBodyOptional?: boolean;
  /** The successful one, by its status. */
  answer: Answer & { status: 200 | 201 | 202 | 204 };
  /** Problems beyond those that every operation has. */
  problems?: Record<number, string>;
}

type OutputOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What a handler works with: everything in it was checked. */
export interface Asked<Spec extends OperationSpec = OperationSpec> {
  ctx: Context;
  caller: Spec['scopes'] extends 'public' ? undefined : Caller;
  query: OutputOf<Spec['query']>;
  /** As it came, after it was found to be right: whoever makes something of it checks it with the same schema. */
  body: Spec['body'] extends z.ZodObject ? z.input<Spec['body']> : undefined;
  params: Readonly<Record<string, string>>;
  /** For the audit log. */
  by: AuditContext;
}

/** The body of the answer; its status is the operation's. */
export type Handler<Spec extends OperationSpec = OperationSpec> = (asked: Asked<Spec>) => Promise<unknown>;

export type Handlers<Operations extends Record<string, OperationSpec>> = {
  [Name in keyof Operations]: Handler<Operations[Name]>;
};

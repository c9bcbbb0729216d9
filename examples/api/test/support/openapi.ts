import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

type Node = Record<string, unknown>;

const file = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8')) as Node;

export interface Operation {
  readonly method: string;
  /** As in the file: `/user/{user_id}/sessions`. */
  readonly path: string;
  readonly responses: ReadonlyMap<number, Node>;
  readonly secured: boolean;
}

export const operations: readonly Operation[] = Object.entries(file.paths as Record<string, Node>).flatMap(
  ([path, item]) =>
    Object.entries(item)
      .filter(([method]) => ['get', 'put', 'post', 'delete', 'patch'].includes(method))
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        secured: ((operation as Node).security as unknown[]).length > 0,
        responses: new Map(
          Object.entries((operation as Node).responses as Node).map(([status, response]) => [
            Number(status),
            resolve(response),
          ]),
        ),
      })),
);

/** What a documented answer says of its body: the media type and the schema of its only content. */
export function contentOf(response: Node): { type: string; schema: unknown } {
  const [[type, content]] = Object.entries(response.content as Record<string, Node>) as [[string, Node]];
  return { type, schema: content.schema };
}

/**
 * Where a value departs from its schema: the small part of JSON Schema that the file uses, and strictly: what the schema
 * does not mention is a departure too, so that the file cannot fall behind the code.
 */
export function departures(value: unknown, schema: unknown, at = ''): string[] {
  const {
    type,
    required = [],
    properties,
    items,
  } = resolve(schema) as {
    type: string;
    required?: string[];
    properties?: Record<string, unknown>;
    items?: unknown;
  };
  if (typeOf(value) !== type) return [`${at}: ${typeOf(value)} instead of ${type}`];
  if (type === 'array') return (value as unknown[]).flatMap((item, index) => departures(item, items, `${at}/${index}`));
  if (type !== 'object' || properties === undefined) return [];
  const members = Object.entries(value as Node);
  return [
    ...required.filter((name) => !Object.hasOwn(value as Node, name)).map((name) => `${at}/${name}: missing`),
    ...members.flatMap(([name, member]) =>
      properties[name] ? departures(member, properties[name], `${at}/${name}`) : [`${at}/${name}: not in the file`],
    ),
  ];
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function resolve(node: unknown): Node {
  const reference = (node as Node).$ref;
  if (reference === undefined) return node as Node;
  const steps = (reference as string).slice(2).split('/');
  return resolve(steps.reduce<unknown>((parent, step) => (parent as Node)[step], file));
}

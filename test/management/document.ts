import { Ajv2020 } from 'ajv/dist/2020.js';
import { openApiDocument } from '../../src/management/openapi.ts';
import { operations } from '../../src/management/operations.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document of another standard
type Json = any;

export const document = (await openApiDocument()) as Json;

const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addFormat('date-time', (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text));
ajv.addFormat('uri', (text) => URL.canParse(text));
ajv.addSchema(document, 'openapi.json');

interface Answered {
  method: string;
  /** Below `/api/v1`. */
  path: string;
  status: number;
  text: string;
  isJson: boolean;
}

/** Holds an answer against what the OpenAPI document says of its operation. Addresses that are not in it may answer what they like. */
export async function checkAgainstDocument({ method, path, status, text, isJson }: Answered): Promise<void> {
  const operation = findOperation(method, path.replace(/\?.*$/, ''));
  if (!operation) return;
  const { responses } = document.paths[operation.path][operation.method];
  const response = responses[status];
  if (!response) throw new Error(`${method} ${path} answers ${status}, which is not documented: ${text}`);
  const [type] = Object.keys(response.content ?? {});
  if (type === undefined) {
    if (text !== '')
      throw new Error(`${method} ${path} answers ${status} with a body, which is not documented: ${text}`);
    return;
  }
  if (!isJson) throw new Error(`${method} ${path} answers ${status} without JSON: ${text}`);
  const steps = ['paths', operation.path, operation.method, 'responses', String(status), 'content', type, 'schema'];
  const pointer = steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  const ref = `openapi.json#/${pointer}`;
  const validate = ajv.getSchema(ref) ?? ajv.compile({ $ref: ref });
  if (!validate(JSON.parse(text))) {
    throw new Error(
      `${method} ${path} answers ${status} unlike documented: ${ajv.errorsText(validate.errors)}\n${text}`,
    );
  }
}

function findOperation(method: string, path: string): { path: string; method: string } | undefined {
  const spec = Object.values(operations).find(
    (each) => each.method === method && new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
  return spec && { path: spec.path, method: spec.method.toLowerCase() };
}

/** The part of JSON Schema that the server's OpenAPI document uses. */
interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  description?: string;
}

export interface OpenApi {
  components: { schemas: Record<string, Schema> };
}

/** TypeScript for the schemas of an OpenAPI document, the same text each time. */
export function apiTypes({ components }: OpenApi): string {
  const members = Object.entries(components.schemas).map(([name, schema]) =>
    member(name, schema, true, '  '),
  );
  return `${HEAD}export interface Schemas {\n${members.join('')}}\n`;
}

const HEAD = '/** Generated from docs/reference/openapi.json by `npm run generate`. Do not edit. */\n\n';

function member(name: string, schema: Schema, required: boolean, indent: string): string {
  const comment = schema.description ? `${indent}/** ${schema.description.replaceAll('*/', '*')} */\n` : '';
  return `${comment}${indent}${name}${required ? '' : '?'}: ${typeOf(schema, indent)};\n`;
}

function typeOf(schema: Schema, indent: string): string {
  if (schema.$ref) return `Schemas['${schema.$ref.split('/').at(-1)}']`;
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice) => typeOf(choice, indent)).join(' | ');
  if (Array.isArray(schema.type))
    return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(' | ');
  if (schema.type === 'array') return `(${typeOf(schema.items ?? {}, indent)})[]`;
  if (schema.type === 'object') return objectOf(schema, indent);
  return PLAIN[schema.type ?? ''] ?? 'unknown';
}

const PLAIN: Record<string, string> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
};

function objectOf({ properties, required = [] }: Schema, indent: string): string {
  if (!properties) return 'Record<string, unknown>';
  const members = Object.entries(properties).map(([name, schema]) =>
    member(name, schema, required.includes(name), `${indent}  `),
  );
  return `{\n${members.join('')}${indent}}`;
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

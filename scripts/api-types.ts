/** The management API as types for the command line, written from its OpenAPI document. */

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>

interface Operation {
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly schema: Schema
  }[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

const JSON_TYPE = 'application/json'

/** Not yet laid out as prettier has it. */
export function apiTypes({ paths, components }: ApiDocument): string {
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `${name}: ${typeOf(schema)}`,
  )
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => `'${method.toUpperCase()} ${path}': ${operationType(operation)}`,
    ),
  )
  return [
    '/** The management API by its OpenAPI document. Written by `npm run golden`, not by hand. */',
    `interface Schemas { ${schemas.join('\n')} }`,
    `export interface Operations { ${operations.toSorted().join('\n')} }`,
  ].join('\n\n')
}

function operationType({ parameters = [], requestBody, responses }: Operation): string {
  const query = parameters.filter((one) => one.in === 'query')
  const asked = query.map(({ name, schema }) => `${name}?: ${typeOf(schema)}`)
  const good = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1]
  return `{
    query: ${asked.length === 0 ? 'Record<never, never>' : `{ ${asked.join('\n')} }`}
    json: ${jsonType(requestBody?.content)}
    result: ${jsonType(good?.content)}
  }`
}

function jsonType(content: Content | undefined): string {
  const schema = content?.[JSON_TYPE]?.schema
  return schema ? typeOf(schema) : 'undefined'
}

function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return `Schemas['${schema.$ref.split('/').at(-1)}']`
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ')
  if (schema.anyOf) return schema.anyOf.map((one) => `(${typeOf(one)})`).join(' | ')
  if (schema.allOf) return schema.allOf.map((one) => `(${typeOf(one)})`).join(' & ')
  const types = [schema.type ?? []].flat()
  if (types.length === 0) return 'unknown'
  return types.map((type) => typeNamed(type, schema)).join(' | ')
}

function typeNamed(type: string, schema: Schema): string {
  if (type === 'array') return `readonly (${schema.items ? typeOf(schema.items) : 'unknown'})[]`
  if (type === 'object') return objectType(schema)
  return type === 'integer' ? 'number' : type
}

function objectType({ properties, required = [], additionalProperties: more }: Schema): string {
  if (!properties) {
    return `Readonly<Record<string, ${typeof more === 'object' ? typeOf(more) : 'unknown'}>>`
  }
  const members = Object.entries(properties).map(([name, schema]) => {
    const isOptional = !required.includes(name)
    return `readonly ${name}${isOptional ? '?' : ''}: ${typeOf(schema)}`
  })
  return `{ ${members.join('\n')} }`
}

/** Calls by the names they have in the OpenAPI document: what is sent and what comes back is typed. */
import type { ApiCall, ApiClient } from './api-client.ts'
import type { Operations } from './api-types.d.ts'

export type OperationName = keyof Operations

/** What an operation gives. */
export type Given<Name extends OperationName> = Operations[Name]['result']

/** One of those that a list gives. */
export type Listed<Name extends OperationName> =
  Given<Name> extends { readonly items: readonly (infer Item)[] } ? Item : never

/** The names in braces in a path. */
type ParamsOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamsOf<Rest>
  : never

/** What an operation is narrowed by; what is undefined is left out. */
export type Query<Name extends OperationName> = {
  readonly [Key in keyof Operations[Name]['query']]: Operations[Name]['query'][Key] | undefined
}

type Asked<Name extends OperationName> = ([ParamsOf<Name>] extends [never]
  ? { readonly params?: undefined }
  : { readonly params: Readonly<Record<ParamsOf<Name>, string>> }) & {
  readonly query?: Operations[Name]['query']
  readonly json?: Operations[Name]['json']
} & Pick<ApiCall, 'body' | 'contentType' | 'accept'>

/** The same, once its types have been looked at. */
interface Sent extends ApiCall {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: object
  readonly json?: unknown
}

export function call<Name extends OperationName>(
  api: ApiClient,
  name: Name,
  asked: Asked<Name>,
): Promise<Given<Name>> {
  const { params, query, ...rest } = asked as Sent
  return api.json<Given<Name>>(pathOf(name, params, query as Query<Name>), {
    ...rest,
    method: methodOf(name),
  })
}

/** Every item of a list, all its pages. */
export function listAll<Name extends OperationName & `GET ${string}`>(
  api: ApiClient,
  name: Name,
  query: Query<Name>,
): Promise<Listed<Name>[]> {
  return api.list<Listed<Name>>(pathOf(name, undefined, query))
}

/** Where an operation is found, for answers that are no JSON. */
export function pathOf<Name extends OperationName>(
  name: Name,
  params: Readonly<Record<string, string>> = {},
  query?: Query<Name>,
): string {
  const path = name
    .replace(/^\w+ /, '/api/v1')
    .replaceAll(/\{(\w+)\}/g, (_, param: string) => encodeURIComponent(params[param] ?? ''))
  const wanted = Object.entries(query ?? {}).filter(([, value]) => value !== undefined)
  const search = new URLSearchParams(
    wanted.map(([key, value]): [string, string] => [key, String(value)]),
  )
  return search.size === 0 ? path : `${path}?${search}`
}

function methodOf(name: string): string {
  return name.replace(/ .*$/, '')
}

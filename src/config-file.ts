/** Settings from a file: JSON, with the environment's names in lower case and without their prefix. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { memberOf, variableOf } from './config-variables.ts'

export interface ConfigFile {
  /** By the names they have in the environment. */
  readonly variables: Readonly<Record<string, string>>
  /** Where the file says this, for who has to mend it. */
  placeOf(variable: string): string
}

export const NO_FILE: ConfigFile = { variables: {}, placeOf: () => '' }

const NAME = /^[a-z][a-z0-9_]*$/

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])
type Value = z.output<typeof value>

/** Throws an Error whose message names the line. */
export function readConfigFile(file: string): ConfigFile {
  const text = read(file)
  const place = (line: number) => `${file}:${line}`
  const document = parse(text, place)
  const twice = membersOf(text).find(({ name }, i, all) => {
    return all.findIndex((other) => other.name === name) < i
  })
  if (twice) throw new Error(`${place(lineAt(twice.index, text))}: ${twice.name} is there twice`)
  const variables: Record<string, string> = {}
  for (const [name, given] of Object.entries(document)) {
    const line = lineOf(name, text)
    const parsed = value.safeParse(given)
    if (!NAME.test(name)) throw new Error(`${place(line)}: ${name} is no name of a setting`)
    if (!parsed.success) {
      throw new Error(
        `${place(line)}: ${name} must be text, a number, true, false or a list of texts`,
      )
    }
    variables[variableOf(name)] = written(parsed.data)
  }
  return {
    variables,
    placeOf: (variable) => place(lineOf(memberOf(variable), text)),
  }
}

/** What some editors put before the text counts for nothing. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\ufeff/, '')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${file}: cannot be read: ${reason}`, { cause })
  }
}

function parse(text: string, place: (line: number) => string): object {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${place(lineOfMistake(reason, text))}: no JSON: ${reason}`, { cause })
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document
  throw new Error(`${place(1)}: must be a JSON object`)
}

/** Where the parser names no position, the text has ended too early: in its last line, not below. */
function lineOfMistake(reason: string, text: string): number {
  const [, position = Infinity] = /at position (\d+)/.exec(reason) ?? []
  return lineAt(Math.min(Number(position), text.trimEnd().length), text)
}

function lineOf(name: string, text: string): number {
  return lineAt(membersOf(text).find((member) => member.name === name)?.index ?? 0, text)
}

/** Values are no objects: a text followed by a colon is a member's name. */
function membersOf(text: string): { readonly name: string; readonly index: number }[] {
  const texts = [...text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?/g)]
  const names = texts.filter(([, , colon]) => colon !== undefined)
  return names.map(({ 1: quoted = '""', index }) => ({ name: String(JSON.parse(quoted)), index }))
}

function lineAt(position: number, text: string): number {
  return text.slice(0, position).split('\n').length
}

/** As the environment would have it. */
function written(given: Value): string {
  return typeof given === 'boolean' ? (given ? '1' : '0') : String(given)
}

/**
 * Templates: text in which `{{name}}` stands for something of the device. There is nothing else to
 * it: no conditions, no loops, no expressions, and what was put in is not looked at again.
 *
 *     {{guid}} {{device}} {{serial}} {{model}} {{group}} {{party.id}} {{party.name}} {{devmod.os}} …
 *     {{serial|json}}   as the inside of a JSON string       {{serial|sh}}   as one word of a shell
 *     {{serial|url}}    with % for what a URL reserves       {{serial|raw}}  as it is
 *     {{{{              two opening braces
 *
 * What comes from a device is hostile: without one of these forms only letters, digits, spaces and
 * `._:@/+=,-` pass, and control characters never do.
 */
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import { OPTIONAL_KEYS, REQUIRED_KEYS } from '../../../protocol/fsim/devmod/messages.ts'
import type { DeviceFacts } from './rules.ts'

/** Something in a template cannot be put there; says what and why. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  /** The device may say it yet. */
  readonly isDue: boolean

  constructor(message: string, isDue = false) {
    super(message)
    this.isDue = isDue
  }
}

/** What a template may name; undefined where it is not known (yet). */
export interface TemplateFacts extends DeviceFacts {
  readonly partyName: string | undefined
  readonly devmod: Devmod | undefined
}

type Form = (value: string) => string

/** Parts in turn: text, then a name. */
interface Part {
  readonly text: string
  readonly name?: string
  readonly form?: string
}

const DEVMOD_NAMES = [...REQUIRED_KEYS, ...OPTIONAL_KEYS].map((key) => `devmod.${key}`)
const NAMES: ReadonlySet<string> = new Set([
  ...['guid', 'device', 'serial', 'model', 'group', 'party.id', 'party.name'],
  ...DEVMOD_NAMES,
])

const FORMS: Readonly<Record<string, Form>> = {
  json: (value) => JSON.stringify(value).slice(1, -1),
  sh: (value) => `'${value.replaceAll("'", String.raw`'\''`)}'`,
  url: encodeURIComponent,
  raw: (value) => value,
}

const HARMLESS = /^[\p{L}\p{N} ._:@/+=,-]*$/u
const CONTROL = /\p{Cc}|\p{Cs}|[\u2028\u2029]/u
const NAMED = /\{\{\{\{|\{\{([^{}]*)\}\}|\{\{/g

/** Throws TemplateError for what is no template, or names what nobody knows. */
export function parseTemplate(template: string): readonly Part[] {
  const parts: Part[] = []
  let text = ''
  let end = 0
  for (const found of template.matchAll(NAMED)) {
    text += template.slice(end, found.index)
    end = found.index + found[0].length
    if (found[0] === '{{{{') {
      text += '{{'
      continue
    }
    const [name = '', form, ...more] = (found[1] ?? '').split('|').map((part) => part.trim())
    if (found[1] === undefined || !NAMES.has(name)) {
      throw new TemplateError(`${found[0]}: one of ${[...NAMES].join(', ')}`)
    }
    if (more.length > 0 || (form !== undefined && !Object.hasOwn(FORMS, form))) {
      throw new TemplateError(`${found[0]}: the forms are ${Object.keys(FORMS).join(', ')}`)
    }
    parts.push({ text, name, ...(form !== undefined && { form }) })
    text = ''
  }
  return [...parts, { text: text + template.slice(end) }]
}

/** Where what is rendered goes: what is put in has to be harmless there. */
export type Place = 'content' | 'path' | 'argument' | 'url'

const PLACES: Readonly<Record<Place, Form>> = {
  content: harmless,
  path(value) {
    if (/[/\\]/.test(value)) throw new TemplateError('a slash, in a path')
    if (/^\.*$/.test(value)) throw new TemplateError('nothing, or dots, in a path')
    return harmless(value)
  },
  // One of its own, whatever is in it: no shell ever sees it.
  argument: (value) => value,
  url: encodeURIComponent,
}

/** Throws TemplateError where a form is named and the place knows better. */
export function checkTemplate(template: string, place: Place): void {
  const formed = parseTemplate(template).find(({ form }) => form !== undefined)
  if (formed && place !== 'content') {
    throw new TemplateError(`{{${formed.name}|${formed.form}}}: forms are for contents only`)
  }
}

/** Throws TemplateError for what is not known of the device, or must not be put there. */
export function render(template: string, place: Place, facts: TemplateFacts): string {
  const parts = parseTemplate(template)
  let rendered = ''
  for (const { text, name, form } of parts) {
    rendered += text
    if (name === undefined) continue
    const value = valueOf(name, facts)
    try {
      if (CONTROL.test(value)) throw new TemplateError('control characters')
      rendered += (form === undefined ? PLACES[place] : (FORMS[form] as Form))(value)
    } catch (error) {
      if (error instanceof TemplateError) throw new TemplateError(`{{${name}}}: ${error.message}`)
      throw error
    }
  }
  if (place === 'argument' && rendered.startsWith('-') && parts[0]?.text === '') {
    throw new TemplateError(`an argument that the device has made an option: ${template}`)
  }
  return rendered
}

function valueOf(name: string, facts: TemplateFacts): string {
  const value = name.startsWith('devmod.')
    ? facts.devmod?.[name.slice('devmod.'.length) as (typeof REQUIRED_KEYS)[number]]
    : ownValueOf(name, facts)
  if (value !== undefined && value !== null) return value
  const isDue = !facts.devmod && (name.startsWith('devmod.') || name === 'serial')
  const when = isDue ? ' before it has said what it is' : ''
  throw new TemplateError(`{{${name}}}: nothing is known of it for this device${when}`, isDue)
}

function ownValueOf(name: string, facts: TemplateFacts): string | null | undefined {
  switch (name) {
    case 'device':
      return facts.id
    case 'serial':
      return facts.serial ?? facts.devmod?.sn
    case 'party.id':
      return facts.party
    case 'party.name':
      return facts.partyName
    default:
      return facts[name as 'guid' | 'model' | 'group']
  }
}

function harmless(value: string): string {
  if (HARMLESS.test(value)) return value
  throw new TemplateError('characters that mean something elsewhere: name a form, as {{…|json}}')
}

/** Programs that take a program of their own after a flag, */
const SHELLS =
  /^(?:sh|bash|dash|ash|zsh|ksh|fish|busybox|cmd|powershell|pwsh|python[\d.]*|perl|ruby|node|lua)(?:\.exe)?$/i
const SCRIPT_FLAG = /^(?:-[a-z]*[ce]|--(?:eval|command|print)|-command|-encodedcommand|\/[ck])$/i
/** and those whose very arguments are one. */
const INTERPRETERS = /^(?:awk|gawk|mawk|sed|xargs|eval|find|expect|make)$/i

/**
 * Throws TemplateError for a device's words in a script: quoting them is the shell's business, which
 * differs from shell to shell. A script takes them as arguments of its own: `sh -c 'echo "$1"' sh {{serial}}`.
 */
export function checkArguments(command: string, args: readonly string[]): void {
  const words = [command, ...args]
  for (const [i, arg] of args.entries()) {
    checkTemplate(arg, 'argument')
    const parts = parseTemplate(arg)
    if (parts.length === 1) continue
    const programs = words.slice(0, i + 1).map((word) => word.replace(/^.*[/\\]/, ''))
    if (programs.some((word) => INTERPRETERS.test(word))) {
      throw new TemplateError(`${arg}: not among the arguments of a program that runs them`)
    }
    if (!programs.some((word) => SHELLS.test(word))) continue
    const isAlone = parts.length === 2 && parts.every(({ text }) => text === '')
    if (!isAlone || SCRIPT_FLAG.test(words[i] ?? '')) {
      throw new TemplateError(`${arg}: not inside of a script; give it as an argument after it`)
    }
  }
}

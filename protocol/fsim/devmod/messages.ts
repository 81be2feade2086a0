/** devmod: what a device says about itself before anything else. FDO 1.1, "devmod". */
import { type Infer, listOf, nullable, text, tuple } from '../../cbor/schema.ts'

export const DEVMOD = 'devmod'

/** Beside `active`, `nummodules` and `modules`. */
export const REQUIRED_KEYS = ['os', 'arch', 'version', 'device', 'sep', 'bin'] as const
export const OPTIONAL_KEYS = ['sn', 'pathsep', 'nl', 'tmp', 'dir', 'progenv', 'mudurl'] as const

/** What a device says it is; a serial number in bytes as text, `devmod` itself not among modules. */
export const Devmod = tuple({
  os: text,
  arch: text,
  version: text,
  device: text,
  sn: nullable(text),
  pathsep: nullable(text),
  sep: text,
  nl: nullable(text),
  tmp: nullable(text),
  dir: nullable(text),
  progenv: nullable(text),
  bin: text,
  mudurl: nullable(text),
  modules: listOf(text),
})
export type Devmod = Infer<typeof Devmod>

/** A DeviceHost in memory: files in a map, programs and documents as the test writes them. */
import { generateKeyPairSync } from 'node:crypto'
import { type Bytes, EMPTY, concat, fromUtf8, utf8 } from '../../protocol/bytes.ts'
import { signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import {
  type DeviceHost,
  HostFailure,
  type HostKey,
  type HostProcess,
  type ProcessNews,
  type ProcessOutput,
} from '../../protocol/service-info/device-host.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'

/** What a program has to say at each look at it; it runs on until an exit code. */
export type Script = readonly Partial<ProcessNews>[]

export interface StartedProcess {
  readonly command: string
  readonly args: readonly string[]
  readonly output: ProcessOutput
  readonly signals: number[]
  killed: boolean
}

export class MemoryHost implements DeviceHost {
  readonly stored = new Map<string, Bytes>()
  readonly scripts = new Map<string, Script>()
  readonly documents = new Map<string, { readonly status: number; readonly body: Bytes }>()
  readonly started: StartedProcess[] = []
  readonly warnings: string[] = []
  /** Files begun and neither committed nor discarded. */
  unfinished = 0
  opened = 0
  floor: Date | undefined
  /** The paths that cannot be written. */
  readonly readOnly = new Set<string>()

  readonly files: DeviceHost['files'] = {
    create: async (path) => {
      if (this.readOnly.has(path)) throw new HostFailure(`${path} cannot be written`)
      let content: Bytes = EMPTY
      let isOpen = true
      this.unfinished++
      const close = () => {
        if (isOpen) this.unfinished--
        isOpen = false
      }
      return {
        write: async (bytes) => {
          content = concat(content, bytes)
        },
        commit: async () => {
          this.stored.set(path, content)
          close()
        },
        discard: async () => close(),
      }
    },
    open: async (path) => {
      const content = this.stored.get(path)
      if (!content) return undefined
      this.opened++
      return {
        length: content.length,
        read: async (offset, length) => content.subarray(offset, offset + length),
        close: async () => {
          this.opened--
        },
      }
    },
  }

  async run(command: string, args: readonly string[], output: ProcessOutput): Promise<HostProcess> {
    const script = this.scripts.get(command)
    if (!script) throw new HostFailure(`${command} is not there`)
    const process: StartedProcess = { command, args, output, signals: [], killed: false }
    this.started.push(process)
    const rest = [...script]
    return {
      poll: async () => ({ stdout: EMPTY, stderr: EMPTY, exitCode: null, ...rest.shift() }),
      signal: (number) => void process.signals.push(number),
      kill: () => {
        process.killed = true
      },
    }
  }

  async fetch(url: string) {
    const document = this.documents.get(url)
    if (!document) throw new HostFailure('no such host')
    const { status, body } = document
    async function* pieces() {
      for (let at = 0; at < body.length; at += 1000) yield body.subarray(at, at + 1000)
    }
    return { status, statusText: status === 200 ? 'OK' : 'Not Found', body: pieces() }
  }

  readonly keys = { generate: async () => hostKey() }

  readonly clock = {
    raiseFloor: async (time: Date) => {
      this.floor = time
    },
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  warn(text: string): void {
    this.warnings.push(text)
  }

  text(path: string): string | undefined {
    const content = this.stored.get(path)
    return content && fromUtf8(content)
  }

  put(path: string, content: Bytes | string): void {
    this.stored.set(path, typeof content === 'string' ? utf8(content) : content)
  }
}

export function hostKey(): HostKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pkcs8 = new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }))
  const signer = signerFromPkcs8(pkcs8)
  return { pkcs8, spki: signer.key.spki, createCsr: () => buildCsr(signer, 'a device') }
}

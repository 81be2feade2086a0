/** DeviceHost for thousands of devices in one process: files live in memory, nothing is run. */
import { createPrivateKey } from 'node:crypto'
import { type Bytes, concat } from '../../protocol/bytes.ts'
import { signerOf } from '../../protocol/crypto/signer.ts'
import { type DeviceHost, HostFailure } from '../../protocol/service-info/device-host.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { makeKey } from '../simulator/keys.ts'

export interface MemoryHost extends DeviceHost {
  /** What the owner has sent, by path. */
  readonly contents: ReadonlyMap<string, Bytes>
}

export function memoryHost(): MemoryHost {
  const contents = new Map<string, Bytes>()
  return {
    contents,
    files: {
      create(path) {
        const parts: Bytes[] = []
        return Promise.resolve({
          write: (bytes) => Promise.resolve(void parts.push(new Uint8Array(bytes))),
          commit: () => Promise.resolve(void contents.set(path, concat(...parts))),
          discard: () => Promise.resolve(),
        })
      },
      open: (path) => Promise.resolve(fileOf(contents.get(path))),
    },
    run: (command) => Promise.reject(new HostFailure(`fleet devices run nothing: ${command}`)),
    fetch: (url) => Promise.reject(new HostFailure(`fleet devices fetch nothing: ${url}`)),
    keys: { generate: generateKey },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    clock: { raiseFloor: () => Promise.resolve() },
    warn: () => {},
  }
}

function fileOf(content: Bytes | undefined) {
  if (!content) return undefined
  return {
    length: content.length,
    read: (offset: number, length: number) =>
      Promise.resolve(content.subarray(offset, offset + length)),
    close: () => Promise.resolve(),
  }
}

async function generateKey() {
  const pkcs8 = await makeKey('p256')
  const signer = signerOf(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
  return { pkcs8, spki: signer.key.spki, createCsr: () => buildCsr(signer, 'device') }
}

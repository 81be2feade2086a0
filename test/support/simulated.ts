/** Simulated devices, each with its credential file and the folder that its owner writes to. */
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DeviceCredential } from '../../protocol/credential/device-credential.ts'
import { rendezvousInfoFromText } from '../../protocol/types/rendezvous-text.ts'
import { onboardFromFile } from '../../src/simulator/agent.ts'
import {
  type CredentialFile,
  readCredentialFile,
  writeCredentialFile,
} from '../../src/simulator/credential-file.ts'
import { makeKey } from '../../src/simulator/keys.ts'
import { manufactureDevice } from '../../src/simulator/manufacture.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'

export interface Device {
  readonly credentialPath: string
  readonly sandbox: string
}

/** Nothing but a place for its files. */
export function deviceIn(folder: string, name: string): Device {
  const sandbox = join(folder, name)
  mkdirSync(sandbox, { recursive: true })
  return { credentialPath: join(folder, `${name}.credential`), sandbox }
}

/** DI; the GUID it gets. */
export function make(url: string, serial: string, { credentialPath }: Device): Promise<string> {
  return manufactureDevice({
    ...{ transport: fdoTransport(url), credentialPath, serial, model: 'camera' },
    ...{ key: 'p256', ownerKey: 'p256', encoding: 'x509' },
  })
}

/** TO1 and TO2, once. */
export function powerUp(device: Device) {
  return onboardFromFile({ ...device, once: true, fast: true, note: () => {} })
}

/** With the same credential and another key: what was read from the outside of the device. */
export async function twinOf({ credentialPath, sandbox }: Device): Promise<Device> {
  const twin = { sandbox, credentialPath: `${credentialPath}.twin` }
  const pkcs8 = await makeKey('p256')
  writeCredentialFile(twin.credentialPath, { ...fileOf(credentialPath), pkcs8 })
  return twin
}

/** Makes it look for an owner at this URL, without asking any rendezvous. */
export function leadTo(url: string, device: Device): void {
  const { hostname: ip, port } = new URL(url)
  const directive = { ip, dev_port: Number(port), protocol: 'http', bypass: true }
  change(device, { rvInfo: rendezvousInfoFromText([directive]) })
}

/** What `firstlight device rearm` does. */
export function rearm(device: Device): void {
  change(device, { active: true })
}

/** The fingerprint of the root that came with the certificate it holds now. */
export function rootHeldBy({ sandbox }: Device): string {
  return new X509Certificate(readFileSync(join(sandbox, 'identity', 'ca.pem'))).fingerprint256
}

function change({ credentialPath }: Device, changes: Partial<DeviceCredential>): void {
  const file = fileOf(credentialPath)
  writeCredentialFile(credentialPath, { ...file, credential: { ...file.credential, ...changes } })
}

function fileOf(path: string): CredentialFile & { readonly credential: DeviceCredential } {
  const file = readCredentialFile(path)
  if (!file?.credential) throw new Error(`no device in ${path}`)
  return { ...file, credential: file.credential }
}

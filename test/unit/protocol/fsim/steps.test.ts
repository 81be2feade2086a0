import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../../protocol/bytes.ts'
import { decode } from '../../../../protocol/cbor/cbor.ts'
import { signerFromPkcs8 } from '../../../../protocol/crypto/signer.ts'
import { deviceModulesFor } from '../../../../protocol/fsim/device-modules.ts'
import { downloadDevice } from '../../../../protocol/fsim/download/device.ts'
import { fdoSysDevice } from '../../../../protocol/fsim/fdo-sys/device.ts'
import { identityStep, serviceStep } from '../../../../protocol/fsim/steps.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import type { PlanStep } from '../../../../protocol/service-info/plan.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import { spkiOfCertificate } from '../../../../protocol/x509/certificate.ts'
import { fromPem } from '../../../../protocol/x509/pem.ts'
import { MemoryHost } from '../../../support/memory-host.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'

const SERVICE = utf8('{"token_url":"https://fdo.test/oauth/token"}')
const required = (name: string) => ({ name, required: true })

/** The default plan: an identity, and where to use it. */
function defaultOwner(options = {}): OwnerWorld {
  const owner: OwnerWorld = new OwnerWorld(
    (device): readonly PlanStep[] => [
      identityStep(required('identity'), device),
      serviceStep(required('service'), device, owner.content('service', SERVICE)),
    ],
    options,
  )
  return owner
}

function checkIdentity(host: MemoryHost, [keyName, certName, caName]: readonly string[]) {
  const [pkcs8] = fromPem(host.text(keyName ?? '') ?? '') ?? []
  const [certificate] = fromPem(host.text(certName ?? '') ?? '') ?? []
  expect(spkiOfCertificate(certificate!)).toEqual(signerFromPkcs8(pkcs8!).key.spki)
  expect(host.text(caName ?? '')).toContain('BEGIN CERTIFICATE')
}

const FOLDER = ['identity/key.pem', 'identity/cert.pem', 'identity/ca.pem']
const FLAT = ['identity-key.pem', 'identity-cert.pem', 'identity-ca.pem']

describe('the default plan', () => {
  it('leaves the whole identity in our own device, in two messages each way', async () => {
    const [owner, host] = [defaultOwner({ sendLimit: 8192 }), new MemoryHost()]
    const { requests } = await converse(owner, host)
    checkIdentity(host, FOLDER)
    expect(host.stored.get('identity/service.json')).toEqual(SERVICE)
    expect(requests).toHaveLength(2)
    expect(owner.issuer.issued).toHaveLength(1)
  })

  it('makes the key here for a device without fdo.csr, in files without a folder', async () => {
    const [owner, host] = [defaultOwner(), new MemoryHost()]
    const device = new DeviceSession(ABOUT, deviceModules(downloadDevice(host)))
    await converse(owner, host, device)
    checkIdentity(host, FLAT)
    expect(host.stored.get('identity-service.json')).toEqual(SERVICE)
    expect(owner.effectsOf('certificate-issued')).toMatchObject([{ module: 'fdo.download' }])
  })

  it('does so over fdo_sys for a device that has only that', async () => {
    const [owner, host] = [defaultOwner(), new MemoryHost()]
    await converse(owner, host, new DeviceSession(ABOUT, deviceModules(fdoSysDevice(host))))
    checkIdentity(host, FLAT)
    expect(owner.effectsOf('certificate-issued')).toMatchObject([{ module: 'fdo_sys' }])
  })

  it('fails for a device that has none of these', async () => {
    const owner = defaultOwner()
    await expect(owner.say(devmodPairs(['fdo.wget']))).rejects.toThrow(/none of its modules/)
  })

  it('keeps no private key once it is delivered', async () => {
    const [owner, host] = [defaultOwner(), new MemoryHost()]
    const device = new DeviceSession(ABOUT, deviceModules(downloadDevice(host)))
    await converse(owner, host, device)
    const key = host.stored.get('identity-key.pem')!
    expect(toHex(owner.packed)).not.toContain(toHex(key.subarray(40, 60)))
  })
})

describe('the Java device, which lists fdo.csr and never asks for anything', () => {
  it('gets key and certificate as files when the owner has waited long enough', async () => {
    const owner = defaultOwner()
    const modules = ['fdo.download', 'fdo.csr']
    const first = await owner.say(devmodPairs(modules, { device: 'FDO-Pri-Device' }))
    expect(keysOf(first)).toContain('fdo.download:data')
    const names: unknown[] = []
    let pairs = [pair('fdo.download:done', SERVICE.length)]
    for (let rounds = 0; !owner.session.isDone && rounds < 30; rounds++) {
      const { serviceInfo } = await owner.say(pairs)
      pairs = []
      for (const { key, value } of serviceInfo) {
        if (key === 'fdo.download:name') names.push(decode(value))
        if (key === 'fdo.download:length') pairs.push({ key: 'fdo.download:done', value })
      }
    }
    expect(names).toEqual(FLAT)
    expect(owner.issuer.issued).toHaveLength(1)
  })
})

describe('all modules', () => {
  it('are those the owner knows', () => {
    const names = [...deviceModulesFor(new MemoryHost()).keys()]
    expect(names).toEqual([...new OwnerWorld().context.modules.keys()])
  })
})

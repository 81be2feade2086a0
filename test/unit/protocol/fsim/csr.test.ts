import { describe, expect, it } from 'vitest'
import { type Bytes, toBase64, utf8 } from '../../../../protocol/bytes.ts'
import { csrDevice } from '../../../../protocol/fsim/csr/device.ts'
import {
  buildKeyAndCertificates,
  parseKeyAndCertificates,
} from '../../../../protocol/fsim/csr/messages.ts'
import { csrOwner } from '../../../../protocol/fsim/csr/owner.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import { CsrRefusal } from '../../../../protocol/service-info/module.ts'
import { type PlanStep, way } from '../../../../protocol/service-info/plan.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import type { KeyValue } from '../../../../protocol/service-info/service-info.ts'
import { buildCertsOnly, parseCertsOnly } from '../../../../protocol/x509/certs-only.ts'
import { certificatesToPem, fromPem, toPem } from '../../../../protocol/x509/pem.ts'
import { MemoryHost, hostKey } from '../../../support/memory-host.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'
import { CA_CERTIFICATE, NOT_BEFORE, certificateFor } from '../../../support/test-issuer.ts'

const ENROLL: PlanStep = { name: 'identity', required: true, ways: [way(csrOwner, {})] }
const said = (key: string, value: Parameters<typeof pair>[1]) => pair(`fdo.csr:${key}`, value)
const out = { code: 'INVALID_MESSAGE_ERROR' }
const malformed = { code: 'MESSAGE_BODY_ERROR' }

const key = hostKey()
const csr = await key.createCsr()
const certificate = await certificateFor(key.spki)

function deviceOf(host: MemoryHost, options = {}) {
  return new DeviceSession(ABOUT, deviceModules(csrDevice(host, options)))
}

describe('a certificate for a key of the device’s own', () => {
  it('is asked for, made, and put in its place with its key and the CA’s', async () => {
    const [host, owner] = [new MemoryHost(), new OwnerWorld([ENROLL])]
    await converse(owner, host, deviceOf(host))
    const [issued] = owner.issuer.issued
    expect(fromPem(host.text('identity/cert.pem') ?? '')).toEqual([issued?.certificate])
    expect(fromPem(host.text('identity/ca.pem') ?? '')).toEqual([CA_CERTIFICATE])
    expect(host.text('identity/key.pem')).toContain('BEGIN PRIVATE KEY')
    expect(host.floor).toEqual(NOT_BEFORE)
    expect(owner.effectsOf('certificate-issued')).toEqual([
      { type: 'certificate-issued', certificate: issued?.certificate, module: 'fdo.csr' },
    ])
  })

  it('takes two messages either way', async () => {
    const [host, owner] = [new MemoryHost(), new OwnerWorld([ENROLL], { sendLimit: 8192 })]
    const { requests } = await converse(owner, host, deviceOf(host))
    expect(requests).toHaveLength(2)
  })

  it('stays out of its place where TO2 breaks off', async () => {
    const [host, owner] = [new MemoryHost(), new OwnerWorld([ENROLL])]
    const device = deviceOf(host)
    let request: ReturnType<DeviceSession['begin']> | null = device.begin(1300)
    while (request) request = (await device.answer(await owner.answer(request))).reply
    expect(host.unfinished).toBe(3)
    await device.close()
    expect([host.stored.size, host.unfinished, host.floor]).toEqual([0, 0, undefined])
  })

  it('can be renewed', async () => {
    const [host, owner] = [new MemoryHost(), new OwnerWorld([ENROLL])]
    await converse(owner, host, deviceOf(host, { request: 'simplereenroll' }))
    expect(owner.issuer.issued).toMatchObject([{ renewal: true }])
    expect(host.stored.size).toBe(3)
  })

  it('can come with a key that the owner makes', async () => {
    const [host, owner] = [new MemoryHost(), new OwnerWorld([ENROLL])]
    await converse(owner, host, deviceOf(host, { request: 'serverkeygen' }))
    const [leaf] = fromPem(host.text('identity/cert.pem') ?? '') ?? []
    expect(leaf).toEqual(owner.issuer.issued[0]?.certificate)
    expect(owner.effectsOf('certificate-issued')).toHaveLength(1)
  })

  it.each([true, false])('can be asked for after its attributes, if any: %s', async (has) => {
    const [host, owner] = [new MemoryHost(), new OwnerWorld([ENROLL])]
    if (has) owner.issuer.csrAttributes = async () => Uint8Array.of(0x30, 0)
    await converse(owner, host, deviceOf(host, { asksAttributes: true }))
    expect(host.stored.size).toBe(3)
    expect(host.warnings).toHaveLength(has ? 0 : 1)
  })
})

describe('the owner', () => {
  function worldOf(required = true) {
    return new OwnerWorld([{ ...ENROLL, required }], { sendLimit: 8192 })
  }
  async function told(owner: OwnerWorld, ...pairs: readonly KeyValue[]) {
    await owner.say(devmodPairs(['fdo.csr']))
    return owner.say(pairs)
  }

  it.each([
    ['one line of base64', toBase64(csr)],
    ['lines of base64', toBase64(csr).replace(/.{64}/g, '$&\r\n')],
    ['PEM', toPem('CERTIFICATE REQUEST', csr)],
    ['bytes of base64', utf8(toBase64(csr))],
    ['bytes of PEM', utf8(toPem('CERTIFICATE REQUEST', csr))],
  ])('reads a request in %s', async (_, form) => {
    const owner = worldOf()
    const { serviceInfo } = await told(owner, said('simpleenroll-req', form))
    const [issued] = owner.issuer.issued
    expect(serviceInfo).toEqual([said('simpleenroll-res', toBase64(issued!.certificate))])
  })

  it('sends the CA’s certificates as PKCS#7, or a single one by itself', async () => {
    const { serviceInfo } = await told(
      worldOf(),
      said('cacerts-req', 281),
      said('cacerts-req', 287),
    )
    expect(serviceInfo).toEqual([
      said('cacerts-res', toBase64(buildCertsOnly([CA_CERTIFICATE]))),
      said('cacerts-res', toBase64(CA_CERTIFICATE)),
    ])
  })

  it.each([
    ['several by themselves', 287, [CA_CERTIFICATE, certificate]],
    ['another form', 1, [CA_CERTIFICATE]],
  ])('says 5 where it is asked for %s', async (_, format, bundle) => {
    const owner = worldOf()
    owner.issuer.bundle = bundle
    const { serviceInfo } = await told(owner, said('cacerts-req', format))
    expect(serviceInfo).toEqual([said('error', 5)])
  })

  it.each([
    'not base64',
    toBase64(utf8('no request')),
    toBase64(csr.slice(0, -1)),
    toBase64(csr.map((byte, i) => (i === csr.length - 1 ? byte ^ 1 : byte))),
    certificatesToPem([csr, csr]),
    '',
    5,
    null,
  ])('says 1 of a request that is none: %j', async (request) => {
    const { serviceInfo } = await told(worldOf(), said('simpleenroll-req', request))
    expect(serviceInfo).toEqual([said('error', 1)])
  })

  it.each([
    ['UNAUTHORIZED', 2],
    ['NOT_SUPPORTED', 3],
    ['RATE_EXCEEDED', 4],
  ] as const)('says of %s that it is %i, and fails the step', async (code, number) => {
    const owner = worldOf()
    owner.issuer.refusal = new CsrRefusal(code, 'the issuer will not')
    const { serviceInfo } = await told(owner, said('simpleenroll-req', toBase64(csr)))
    expect(serviceInfo).toEqual([said('error', number)])
    const silence = async () => {
      for (let i = 0; i < 10; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/the issuer will not/)
  })

  it('says 3 where it asks for no attributes', async () => {
    const { serviceInfo } = await told(worldOf(), said('csrattrs-req', 1))
    expect(serviceInfo).toEqual([said('error', 3)])
  })

  it('lets the device try again after a refusal', async () => {
    const owner = worldOf()
    await told(owner, said('cacerts-req', 281), said('simpleenroll-req', 'nothing'))
    expect((await owner.say([said('simpleenroll-req', toBase64(csr))])).isDone).toBe(true)
  })

  it('waits a round for a device that has not asked for the CA’s certificates yet', async () => {
    const owner = worldOf()
    expect((await told(owner, said('simpleenroll-req', toBase64(csr)))).isDone).toBe(false)
    expect(keysOf(await owner.say([said('cacerts-req', 281)]))).toEqual(['fdo.csr:cacerts-res'])
    expect(owner.session.isDone).toBe(true)
    const other = worldOf()
    await told(other, said('simpleenroll-req', toBase64(csr)))
    expect((await other.say()).isDone).toBe(false)
    expect((await other.say()).isDone).toBe(true)
  })

  it('takes the step for not done where the device asks for no certificate', async () => {
    const owner = worldOf()
    await told(owner, said('cacerts-req', 281))
    const silence = async () => {
      for (let i = 0; i < 10; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/asked for no certificate/)
  })

  it('refuses what only an owner says, and requests without end', async () => {
    await expect(told(worldOf(), said('cacerts-res', 'x'))).rejects.toMatchObject(out)
    const many = Array.from({ length: 17 }, () => said('cacerts-req', 281))
    await expect(told(worldOf(), ...many)).rejects.toMatchObject(out)
  })

  it('does not take a failure of its own for the device’s', async () => {
    const owner = worldOf()
    owner.issuer.caCertificates = () => Promise.reject(new Error('disk full'))
    await expect(told(owner, said('cacerts-req', 281))).rejects.toThrow('disk full')
  })
})

describe('the device', () => {
  const enrolled = (spki: Bytes) => certificateFor(spki)

  async function hearing(
    answer: (made: { spki: Bytes }) => Promise<readonly KeyValue[]> | readonly KeyValue[],
    options = {},
  ) {
    const host = new MemoryHost()
    Object.assign(host.keys, { generate: async () => ({ ...key, createCsr: async () => csr }) })
    const session = deviceOf(host, options)
    session.begin(8192)
    const hear = (serviceInfo: readonly KeyValue[]) =>
      session.answer({ isMoreServiceInfo: false, isDone: false, serviceInfo })
    const { reply } = await hear([said('active', true)])
    await hear(await answer(key))
    await session.finish()
    return { host, asked: reply?.serviceInfo }
  }

  it('asks in one line of base64', async () => {
    const { asked } = await hearing(() => [])
    expect(asked?.slice(1)).toEqual([
      said('cacerts-req', 281),
      said('simpleenroll-req', toBase64(csr)),
    ])
  })

  it.each([
    ['base64', (der: Bytes) => toBase64(der)],
    ['bytes', (der: Bytes) => utf8(toBase64(der))],
    ['PEM', (der: Bytes) => toPem('CERTIFICATE', der)],
    ['PKCS#7', (der: Bytes) => toBase64(buildCertsOnly([der, CA_CERTIFICATE]))],
  ])('reads its certificate in %s', async (_, form) => {
    const { host } = await hearing(async ({ spki }) => [
      said('simpleenroll-res', form(await enrolled(spki))),
    ])
    expect(host.text('identity/cert.pem')).toContain('BEGIN CERTIFICATE')
  })

  it('reads a bare certificate of the CA', async () => {
    const { host } = await hearing(() => [said('cacerts-res', toBase64(CA_CERTIFICATE))])
    expect(fromPem(host.text('identity/ca.pem') ?? '')).toEqual([CA_CERTIFICATE])
  })

  it('goes on without a certificate where the owner gives none', async () => {
    const { host } = await hearing(() => [said('error', 2)])
    expect(host.warnings).toHaveLength(1)
    expect(host.stored.size).toBe(0)
  })

  it('refuses a certificate for another key', async () => {
    const other = hearing(async () => [
      said('simpleenroll-res', toBase64(await enrolled(hostKey().spki))),
    ])
    await expect(other).rejects.toMatchObject(out)
  })

  it('refuses a key and a certificate that do not belong together', async () => {
    const body = buildKeyAndCertificates(hostKey().pkcs8, buildCertsOnly([certificate]))
    const other = hearing(() => [said('serverkeygen-res', body)], { request: 'serverkeygen' })
    await expect(other).rejects.toMatchObject(out)
  })

  it('refuses a key that is none', async () => {
    const body = buildKeyAndCertificates(utf8('no key'), buildCertsOnly([certificate]))
    const other = hearing(() => [said('serverkeygen-res', body)], { request: 'serverkeygen' })
    await expect(other).rejects.toMatchObject(malformed)
  })

  it.each(['simplereenroll-res', 'serverkeygen-res', 'csrattrs-res', 'cacerts-req'])(
    'refuses a %s that it did not ask for',
    async (message) => {
      await expect(hearing(() => [said(message, toBase64(certificate))])).rejects.toMatchObject(out)
    },
  )

  it('refuses a second answer to one request', async () => {
    const twice = hearing(async ({ spki }) => {
      const answer = said('simpleenroll-res', toBase64(await enrolled(spki)))
      return [answer, answer]
    })
    // Run together under one key, they are two values.
    await expect(twice).rejects.toMatchObject(out)
  })

  it.each([
    ['cacerts-res', 'no base64!'],
    ['cacerts-res', toBase64(utf8('no certificate'))],
    ['cacerts-res', toBase64(buildCertsOnly([utf8('no certificate')]))],
    ['simpleenroll-res', toBase64(csr)],
    ['simpleenroll-res', 1],
    ['error', 'text'],
  ])('refuses %s %j', async (message, value) => {
    await expect(hearing(() => [said(message, value)])).rejects.toMatchObject(malformed)
  })
})

describe('a key with its certificates', () => {
  const certsOnly = buildCertsOnly([certificate])
  const body = buildKeyAndCertificates(key.pkcs8, certsOnly)

  it.each([
    ['as the FSIM’s text has it', body],
    ['in base64 as a whole, as Go writes it', toBase64(utf8(body))],
    ['with bare line feeds', body.replaceAll('\r\n', '\n')],
    ['with another boundary', body.replaceAll('--fdo', '--something')],
  ])('is read %s', (_, written) => {
    const read = parseKeyAndCertificates(written, 'body')
    expect(read.pkcs8).toEqual(key.pkcs8)
    expect(parseCertsOnly(read.certificates)).toEqual([certificate])
  })

  it.each([
    '',
    'text',
    toBase64(utf8('text')),
    toBase64(Uint8Array.of(0xff)),
    '--fdo\r\n',
    body.replace('pkcs8', 'pkcs9'),
    body.replace('pkcs7-mime', 'pkcs7'),
    body.replace(toBase64(key.pkcs8), '!!!!'),
  ])('is refused in %j', (written) => {
    expect(() => parseKeyAndCertificates(written, 'body')).toThrow(
      expect.objectContaining(malformed),
    )
  })
})

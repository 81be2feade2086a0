/** DI, TO0, TO1 and TO2 from end to end in memory, for every mix of keys and suites. */
import 'reflect-metadata'
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto'
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { Sign1 } from '../../protocol/cose/sign1.ts'
import { type Kept, decodeAs } from '../../protocol/cbor/schema.ts'
import { converse } from '../../protocol/converse.ts'
import { CIPHERS, KEX, type KexName } from '../../protocol/crypto/kex/suites.ts'
import { sameKey } from '../../protocol/crypto/public-key.ts'
import { signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { diManufacturer, diManufacturerStates } from '../../protocol/di/manufacturer.ts'
import { DeviceSession } from '../../protocol/service-info/device-session.ts'
import { beginTo0, to0Owner } from '../../protocol/to0/owner.ts'
import { to0Rendezvous, to0RendezvousStates } from '../../protocol/to0/rendezvous.ts'
import { beginTo1, to1Device } from '../../protocol/to1/device.ts'
import { to1Rendezvous, to1RendezvousStates } from '../../protocol/to1/rendezvous.ts'
import { beginTo2 } from '../../protocol/to2/device/prove-voucher.ts'
import { to2Device } from '../../protocol/to2/device/role.ts'
import { to2Owner, to2OwnerStates } from '../../protocol/to2/owner/role.ts'
import { findVoucherFlaw } from '../../protocol/voucher/verify.ts'
import { parseVoucher } from '../../protocol/voucher/voucher.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { inMemory } from '../support/in-memory.ts'
import { ADDRESSES } from '../support/registering.ts'
import { ABOUT, NEW_GUID, seededRandom, to2WorldOf } from '../support/to2-world.ts'
import { partsOf, voucherVectors } from '../support/vouchers.ts'
import { fromHex } from '../support/wire.ts'

const DEVICES = ['p256', 'p384', 'rsa2048', 'rsa3072'] as const
type DeviceKind = (typeof DEVICES)[number]

/** Keys of go-fdo's vectors: no key has to be made here, which takes long for RSA. */
const PKCS8: Record<DeviceKind, string> = {
  p256: vector('p256-x509-devP256').devicePrivatePkcs8,
  p384: vector('p384-x509-devP384').devicePrivatePkcs8,
  rsa2048: vector('rsa2048restr-x509-devP256').ownerKeysPkcs8[3]!,
  rsa3072: vector('rsapkcs3072-x509-devP384').ownerKeysPkcs8[3]!,
}
const OWNERS = voucherVectors.map(({ name }) => name).filter((name) => !name.includes('mixed'))

function vector(name: string) {
  const found = voucherVectors.find((one) => one.name === name)
  if (!found) throw new Error(`no vector ${name}`)
  return found
}

function kexesFor(owner: string): readonly KexName[] {
  const { kind } = partsOf(owner).signers[0]!.key
  return Object.values(KEX)
    .filter(({ ownerKinds }) => ownerKinds.includes(kind))
    .map(({ name }) => name)
}

const cipherIds = [...CIPHERS.keys()]
let turn = 0
const mixes = OWNERS.flatMap((owner) =>
  DEVICES.flatMap((device) =>
    kexesFor(owner).map((kex) => {
      const cipher = cipherIds[turn++ % cipherIds.length]!
      return { owner, device, kex, cipher }
    }),
  ),
)
const suites = cipherIds.flatMap((cipher) =>
  (['ECDH256', 'ECDH384'] as const).map((kex) => ({
    owner: 'p256-x509-devP256',
    device: 'p256' as const,
    kex,
    cipher,
  })),
)

describe.each([...mixes, ...suites])('$owner, device $device, $kex, $cipher', (mix) => {
  it('is made, registered, found and onboarded', async () => {
    const made = await make(mix.owner, mix.device)
    expect(await findVoucherFlaw(made.voucher)).toBeUndefined()
    const to1d = await register(made)
    const { ownerEffects, deviceEffects } = await onboard(made, mix, to1d)

    const onboarded = ownerEffects.at(-1)
    const [effect] = deviceEffects
    if (onboarded?.type !== 'onboarded' || effect?.type !== 'onboarded') throw new Error('not so')
    const left = parseVoucher(onboarded.replacement!.voucher)
    expect(await findVoucherFlaw(left)).toBeUndefined()
    expect(toHex(effect.credential.guid)).toBe(toHex(NEW_GUID))
    expect(sameKey(left.header.value.publicKey.value.key, made.owner.key)).toBe(true)
  })
})

type Made = Awaited<ReturnType<typeof make>>

/** DI: the manufacturer sells the device at once. */
async function make(configuration: string, kind: DeviceKind) {
  const parts = partsOf(configuration)
  const signer = signerFromPkcs8(fromHex(PKCS8[kind]))
  const [manufacturerKey, ownerKey] = parts.publicKeys
  const manufacturer = inMemory({
    role: diManufacturer,
    states: diManufacturerStates,
    initial: { expects: 'DI.AppStart' },
    context: {
      randomBytes: seededRandom('manufacturer'),
      admit: async () => ({
        rvInfo: parts.header.rvInfo,
        deviceCertChain: await certificatesOf(kind),
        manufacturerKey: manufacturerKey!,
        order: '',
      }),
      findFirstOwner: async () => ({ signer: parts.signers[0]!, nextOwner: ownerKey! }),
    },
  })
  const context = {
    info: {
      form: 'csr' as const,
      keyType: manufacturerKey!.type,
      keyEncoding: manufacturerKey!.encoding,
      serial: '1',
      deviceInfo: 'matrix',
      csr: await buildCsr(signer, 'device'),
    },
    hmacSecret: seededRandom('secret')(32),
  }
  const { transport } = manufacturer
  const first = beginDi(context)
  const [effect] = await converse({ role: diDevice, first, context, transport, now })
  const voucher = parseVoucher(manufacturer.effects[0]!.voucher)
  return { voucher, signer, owner: parts.signers[1]!, credential: effect!.credential }
}

/** TO0 and TO1. */
async function register({ voucher, owner, signer, credential }: Made) {
  const to0 = inMemory({
    role: to0Rendezvous,
    states: to0RendezvousStates,
    initial: { expects: 'TO0.Hello' },
    context: {
      randomBytes: seededRandom('rendezvous'),
      trust: () => ({}),
      order: () => 1,
      admit: () => 3600,
    },
  })
  const offer = { voucher, signer: owner, addresses: ADDRESSES, waitSeconds: 60 }
  const asked = beginTo0(offer)
  await converse({ role: to0Owner, first: asked, context: offer, transport: to0.transport, now })
  const [registered] = to0.effects
  const to1 = inMemory({
    role: to1Rendezvous,
    states: to1RendezvousStates,
    initial: { expects: 'TO1.HelloRV' },
    context: {
      randomBytes: seededRandom('rendezvous'),
      findRegistration: () => registered,
    },
  })
  const context = { guid: credential.guid, signer }
  const first = beginTo1(context)
  const [redirected] = await converse({
    role: to1Device,
    first,
    context,
    transport: to1.transport,
    now,
  })
  return decodeAs(Sign1, redirected!.to1d, 'to1d')
}

type Mix = (typeof mixes)[number]

async function onboard(made: Made, { kex, cipher }: Mix, to1d: Kept<Sign1>) {
  const { voucher, owner, signer, credential } = made
  const base = await to2WorldOf()
  const answering = inMemory({
    role: to2Owner,
    states: to2OwnerStates,
    initial: { expects: 'TO2.HelloDevice' },
    context: {
      ...base.ownerContext,
      findVoucher: async () => ({ voucher, signer: owner, deviceId: 'one', revision: '' }),
      newCredential: async () => ({
        guid: NEW_GUID,
        rvInfo: voucher.header.value.rvInfo,
        owner2Key: voucher.entries[0]!.payload.publicKey,
        owner2Signer: owner,
      }),
    },
  })
  const context = {
    ...base.deviceContext,
    serviceInfo: new DeviceSession(ABOUT, new Map()),
    credential,
    signer,
    kex,
    cipher,
    to1d,
  }
  const { transport } = answering
  const first = beginTo2(context)
  const deviceEffects = await converse({ role: to2Device, first, context, transport, now })
  return { ownerEffects: answering.effects, deviceEffects }
}

function now(): Date {
  return new Date(0)
}

const chains = new Map<DeviceKind, Promise<readonly Bytes[]>>()

/** A device certificate and the CA above it. */
function certificatesOf(kind: DeviceKind): Promise<readonly Bytes[]> {
  const known = chains.get(kind)
  if (known) return known
  const made = makeCertificates(kind)
  chains.set(kind, made)
  return made
}

async function makeCertificates(kind: DeviceKind): Promise<readonly Bytes[]> {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, false, ['sign', 'verify'])
  const validity = { notBefore: new Date('2024-01-01'), notAfter: new Date('2054-01-01') }
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=device-ca',
    keys: keys,
    signingAlgorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
    ...validity,
  })
  const leaf = await X509CertificateGenerator.create({
    subject: 'CN=device',
    issuer: ca.subject,
    publicKey: await publicKeyOf(kind),
    signingKey: keys.privateKey,
    signingAlgorithm,
    ...validity,
  })
  return [new Uint8Array(leaf.rawData), new Uint8Array(ca.rawData)]
}

async function publicKeyOf(kind: DeviceKind): Promise<webcrypto.CryptoKey> {
  const privateKey = createPrivateKey({
    key: Buffer.from(PKCS8[kind], 'hex'),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const algorithm = kind.startsWith('rsa')
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    : { name: 'ECDSA', namedCurve: kind === 'p256' ? 'P-256' : 'P-384' }
  return await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
}

/**
 * The floor under one onboarding: the bare node:crypto operations that its messages cannot do
 * without, every required verification among them, each timed here and now.
 *
 * P-256 throughout, ECDH256, A128GCM, one voucher entry, one certificate over fdo.csr.
 */
import {
  type KeyObject,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'

interface Operation {
  readonly name: string
  /** How often one onboarding needs it of the server. */
  readonly count: number
  /** Which of the messages need it, so that a reader can check the count. */
  readonly where: string
  readonly run: () => void
}

export interface Floor {
  /** Milliseconds of CPU for one onboarding. */
  readonly ms: number
  readonly operations: Readonly<
    Record<string, { readonly count: number; readonly us: number; readonly where: string }>
  >
}

const MESSAGE_BYTES = 512

/** `rounds`: pairs of 68 and 69 that one onboarding takes. */
export function measureFloor(rounds: number): Floor {
  const operations: Record<string, { count: number; us: number; where: string }> = {}
  let us = 0
  for (const operation of operationsOf(rounds)) {
    const cost = timed(operation.run)
    operations[operation.name] = {
      count: operation.count,
      us: Math.round(cost * 100) / 100,
      where: operation.where,
    }
    us += cost * operation.count
  }
  return { ms: us / 1000, operations }
}

function operationsOf(rounds: number): readonly Operation[] {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = randomBytes(MESSAGE_BYTES)
  const signing = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  const verifying = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  const signature = sign('sha256', data, signing)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const sealed = seal(data)
  return [
    {
      name: 'P-256 sign',
      count: 6,
      where: 'DI device certificate, voucher entry; TO0 to1d; TO2 61, 65, device certificate',
      run: () => void sign('sha256', data, signing),
    },
    {
      name: 'P-256 verify',
      count: 7,
      where: 'DI request; TO0 device chain, voucher entry, to1d; TO1 32; TO2 64, request',
      run: () => void verify('sha256', data, verifying, signature),
    },
    {
      name: 'P-256 key import',
      count: 2,
      where: 'DI device key; TO2 certificate request key',
      run: () => void importKey(spki),
    },
    { name: 'ECDH P-256 key', count: 1, where: 'TO2 60', run: () => void ecdhKey() },
    { name: 'ECDH P-256 derive', count: 1, where: 'TO2 64', run: derive() },
    {
      name: 'HMAC-SHA-256',
      count: 1,
      where: 'TO2 64 key derivation',
      run: () => void createHmac('sha256', KEY).update(data).digest(),
    },
    {
      name: 'SHA-256',
      count: 10,
      where: 'certificate chain, entry (2), header, to0d (2), voucher checks (3), 60',
      run: () => void createHash('sha256').update(data).digest(),
    },
    {
      name: 'AES-128-GCM encrypt',
      count: 3 + rounds,
      where: `TO2 65, 67, 71, ${rounds} × 69`,
      run: () => void seal(data),
    },
    {
      name: 'AES-128-GCM decrypt',
      count: 2 + rounds,
      where: `TO2 66, 70, ${rounds} × 68`,
      run: () => open(sealed),
    },
  ]
}

const KEY = randomBytes(16)

function seal(data: Buffer): { iv: Buffer; body: Buffer; tag: Buffer } {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-128-gcm', KEY, iv)
  const body = Buffer.concat([cipher.update(data), cipher.final()])
  return { iv, body, tag: cipher.getAuthTag() }
}

function open({ iv, body, tag }: { iv: Buffer; body: Buffer; tag: Buffer }): void {
  const decipher = createDecipheriv('aes-128-gcm', KEY, iv)
  decipher.setAuthTag(tag)
  Buffer.concat([decipher.update(body), decipher.final()])
}

function importKey(spki: Buffer): KeyObject {
  return createPublicKey({ key: spki, format: 'der', type: 'spki' })
}

function ecdhKey() {
  const exchange = createECDH('prime256v1')
  exchange.generateKeys()
  return exchange
}

function derive(): () => void {
  const exchange = ecdhKey()
  const peer = ecdhKey().getPublicKey()
  return () => void exchange.computeSecret(peer)
}

/** Microseconds of CPU for one call: the median of several batches, after a warm-up. */
function timed(run: () => void): number {
  for (let i = 0; i < 300; i++) run()
  const batches: number[] = []
  for (let batch = 0; batch < 9; batch++) {
    const before = process.cpuUsage()
    for (let i = 0; i < 400; i++) run()
    const { user, system } = process.cpuUsage(before)
    batches.push((user + system) / 400)
  }
  return batches.sort((a, b) => a - b)[4] ?? 0
}

/** Which mechanism of PKCS#11 makes which signature. PKCS#11 3.0, "Mechanisms"; pkcs11t.h. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { SignatureAlgorithm } from '../../../protocol/cose/algorithms.ts'
import type { Mechanism } from './cryptoki.ts'

const CKM_RSA_PKCS_OAEP = 0x0009
const CKM_SHA256_RSA_PKCS = 0x0040
const CKM_SHA384_RSA_PKCS = 0x0041
const CKM_SHA256_RSA_PKCS_PSS = 0x0043
const CKM_SHA384_RSA_PKCS_PSS = 0x0044
const CKM_SHA256 = 0x0250
const CKM_SHA384 = 0x0260
const CKM_ECDSA = 0x1041
const CKG_MGF1_SHA256 = 2
const CKG_MGF1_SHA384 = 3
const CKZ_DATA_SPECIFIED = 1

/** How the binding tells the structures of parameters apart. */
const OAEP_PARAMETERS = 4
const PSS_PARAMETERS = 5

type Name = SignatureAlgorithm['name']

const SIGNING: Readonly<Record<Name, Mechanism>> = {
  ES256: { mechanism: CKM_ECDSA },
  ES384: { mechanism: CKM_ECDSA },
  RS256: { mechanism: CKM_SHA256_RSA_PKCS },
  RS384: { mechanism: CKM_SHA384_RSA_PKCS },
  PS256: pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32),
  PS384: pss(CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, 48),
}

/** RSAES-OAEP with SHA-256, as ASYMKEX has it. */
export const DECRYPTING: Mechanism = {
  mechanism: CKM_RSA_PKCS_OAEP,
  parameter: {
    type: OAEP_PARAMETERS,
    hashAlg: CKM_SHA256,
    mgf: CKG_MGF1_SHA256,
    source: CKZ_DATA_SPECIFIED,
  },
}

export function signingMechanism(name: Name): Mechanism {
  return SIGNING[name]
}

/** What goes to the token: elliptic keys sign a hash, which is made here. */
export function inputFor({ signatureBytes, hash: name }: SignatureAlgorithm, data: Bytes): Bytes {
  return signatureBytes ? hash(name, data, 'buffer') : data
}

function pss(mechanism: number, hashAlg: number, mgf: number, saltLen: number): Mechanism {
  return { mechanism, parameter: { type: PSS_PARAMETERS, hashAlg, mgf, saltLen } }
}

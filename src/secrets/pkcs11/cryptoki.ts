/**
 * What is used of the binding to PKCS#11 modules. Its own types are not: it is an optional
 * dependency, and where it could not be built the sources must compile all the same.
 */

/** Of a slot, a session or an object. */
export type Handle = Buffer

export interface Attribute {
  readonly type: number
  readonly value?: number | boolean
}

export interface Mechanism {
  readonly mechanism: number
  readonly parameter?: object
}

/** Throws errors with the name of the CKR_… in their message. */
export interface Cryptoki {
  load(path: string): void
  C_Initialize(options: { readonly flags: number }): void
  C_GetSlotList(tokenPresent: boolean): Handle[]
  C_GetTokenInfo(slot: Handle): { readonly label: string }
  C_OpenSession(slot: Handle, flags: number): Handle
  C_CloseSession(session: Handle): void
  C_Login(session: Handle, user: number, pin: string): void
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void
  C_FindObjects(session: Handle, most: number): Handle[]
  C_FindObjectsFinal(session: Handle): void
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    wanted: readonly Attribute[],
  ): readonly { readonly value: Buffer }[]
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void
  C_Sign(session: Handle, data: Buffer, room: Buffer): Buffer
  C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void
  C_Decrypt(session: Handle, data: Buffer, room: Buffer): Buffer
}

/** Who else calls the management API: programs, and people of other organisations' providers. */

/** A program of a party that gets its access tokens at our token endpoint. */
export interface MachineClientTable {
  /** Its client_id. */
  id: string
  party: string
  name: string
  /** The most its tokens may carry, separated by spaces. */
  scopes: string
  /** How it proves itself, by OAuth's names for that. */
  method:
    'private_key_jwt' | 'tls_client_auth' | 'self_signed_tls_client_auth' | 'client_secret_basic'
  /** By what: JSON, see callers/clients/credential.ts. No secret, only the hash of one. */
  credential: string
  created_at: string
  /** When its credential was last replaced. */
  rotated_at: string | null
  disabled_at: string | null
}

/** A client's assertion that has been accepted, until it has expired anyway. */
export interface UsedAssertionTable {
  client_id: string
  /** SHA-256 of the assertion's id, hex. */
  jti_hash: string
  expires_at: string
}

/** An OpenID provider of a party's own, whose tokens its people call with. */
export interface IdentityProviderTable {
  id: string
  party: string
  name: string
  issuer: string
  /** Several parties may claim an issuer and an audience; each party once. */
  audience: string
  jwks_uri: string
  /** Where in a token the values stand that `roles` maps. */
  claim: string
  /** JSON: value of the claim → scopes. */
  roles: string
  created_at: string
  /** 1: its tokens are those that name its id. 0: those that name none; one for issuer and audience. */
  is_named: number
}

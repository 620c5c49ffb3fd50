/** Variables whose names suggest a secret. */

const SECRET_NAME =
  /SECRET|TOKEN|PASSW(OR)?D|PASSPHRASE|CREDENTIAL|PRIVATE_?KEY|ACCESS_?KEY|API_?KEY|AUTHORIZATION/i;

export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

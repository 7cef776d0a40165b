# Gives a document a folder for tokens of SoftHSM. Source it.

softhsm_folder=$(mktemp -d "$RUNNER/softhsm.XXXXXX")
mkdir "$softhsm_folder/tokens"
printf 'directories.tokendir = %s\n' "$softhsm_folder/tokens" >"$softhsm_folder/softhsm2.conf"
export SOFTHSM2_CONF=$softhsm_folder/softhsm2.conf

"""Drives the sandbox's SageMaker and STS with boto3 and the AWS command line.

Expects SANDBOX_SAGEMAKER_URL, SANDBOX_STS_URL and the usual AWS_* credentials in the environment, and that
DescribePartnerApp is throttled for good. Prints one line for each failure and `N passed, M failed` at the end.
"""

import datetime
import json
import socket
import subprocess
import sys
import time
import unittest.mock

from botocore.exceptions import ClientError

from support import (
    ACCOUNT, ARN, CHECKS, DOMAIN, MLFLOW_APP, PARTNER_APP, PRESIGN, REGION, RETRYING, ROLE, SECRET, allow,
    check, cli, client, open_url, refused, replace_body, same, session, shape,
)


@check
def every_presign_call_answers_a_url_that_opens_once():
    for name, arguments, member in PRESIGN:
        answer = getattr(client(), name)(**arguments)
        same(sorted(answer), sorted([member, "ResponseMetadata"]))
        same(open_url(answer[member])[0], 200)
        status, page = open_url(answer[member])
        same(status, 403)
        assert "already used" in page


@check
def optional_members_reach_the_page():
    url = client().create_presigned_domain_url(
        DomainId=DOMAIN, UserProfileName="ADA", SpaceName="team", LandingUri="app:JupyterLab:lab/tree/a b+c",
        ExpiresInSeconds=5, SessionExpirationDurationInSeconds=1800)["AuthorizedUrl"]
    page = open_url(url)[1]
    for text in ("team", "app:JupyterLab:lab/tree/a b+c", "30m"):
        assert text in page, text


@check
def a_url_expires():
    url = client().create_presigned_mlflow_app_url(Arn=MLFLOW_APP, ExpiresInSeconds=5)["AuthorizedUrl"]
    time.sleep(6)
    status, page = open_url(url)
    same(status, 403)
    assert "expired" in page


@check
def every_description_reads_as_the_model_says():
    sagemaker = client()
    same(sagemaker.describe_domain(DomainId=DOMAIN)["AuthMode"], "IAM")
    profile = sagemaker.describe_user_profile(DomainId=DOMAIN, UserProfileName="ADA")
    same((profile["UserProfileName"], profile["Status"]), ("ada", "InService"))
    assert isinstance(profile["CreationTime"], datetime.datetime)
    same(sagemaker.describe_user_profile(DomainId=DOMAIN, UserProfileName="newcomer")["Status"], "Pending")
    same(sagemaker.describe_mlflow_tracking_server(TrackingServerName="experiments")["IsActive"], "Active")
    same(sagemaker.describe_mlflow_tracking_server(TrackingServerName="archive")["TrackingServerStatus"], "Stopped")
    same(sagemaker.describe_notebook_instance(NotebookInstanceName="grace-notebook")["NotebookInstanceStatus"],
         "InService")
    same(sagemaker.describe_mlflow_app(Arn=MLFLOW_APP)["Status"], "Created")


@check
def bad_input_is_a_validation_error():
    sagemaker = client()
    bad = [
        (0, {"DomainId": None}, "'domainId' failed to satisfy constraint: Member must not be null"),
        (0, {"DomainId": "D-sandbox"}, "regular expression pattern: d-(-*[a-z0-9]){1,61}"),
        (0, {"DomainId": DOMAIN + "\n"}, "regular expression"),
        (0, {"DomainId": "x" + DOMAIN}, "regular expression"),
        (0, {"DomainId": "d-" + "a" * 62}, "length less than or equal to 63"),
        (0, {"UserProfileName": "ada.lovelace"}, "'userProfileName' failed"),
        (0, {"UserProfileName": "-ada"}, "regular expression"),
        (0, {"SpaceName": "a_b"}, "'spaceName' failed"),
        (0, {"LandingUri": "studio::" + "x" * 1016}, "length less than or equal to 1023"),
        (0, {"LandingUri": "https://evil.example/"}, "LandingUri"),
        (0, {"ExpiresInSeconds": 4}, "value greater than or equal to 5"),
        (0, {"ExpiresInSeconds": 301}, "value less than or equal to 300"),
        (0, {"SessionExpirationDurationInSeconds": 1799}, "value greater than or equal to 1800"),
        (0, {"SessionExpirationDurationInSeconds": 43201}, "value less than or equal to 43200"),
        (0, {"DomainId": "x", "UserProfileName": "."}, "2 validation errors detected"),
        (1, {"TrackingServerName": ""}, "length greater than or equal to 1"),
        (1, {"TrackingServerName": "a" * 257}, "length less than or equal to 256"),
        (2, {"NotebookInstanceName": "a-"}, "regular expression"),
        (3, {"Arn": "arn:aws:sagemaker:eu-west-1:1111:mlflow-app/a"}, "regular expression"),
        (4, {"Arn": PARTNER_APP.lower()}, "regular expression"),
        (4, {"Arn": PARTNER_APP + "X"}, "regular expression"),
    ]
    for number, change, text in bad:
        name, arguments, _ = PRESIGN[number]
        arguments = {key: value for key, value in {**arguments, **change}.items() if value is not None}
        refused("ValidationException", getattr(sagemaker, name), text, **arguments)


@check
def wrong_types_do_not_deserialize():
    sagemaker = client()
    for change in ({"ExpiresInSeconds": "20"}, {"UserProfileName": 7}, {"LandingUri": True}):
        raw = json.dumps({"DomainId": DOMAIN, "UserProfileName": "ada", **change})
        sagemaker_raw = client()
        sagemaker_raw.meta.events.register("before-sign.sagemaker.*", replace_body(raw))
        refused("SerializationException", sagemaker_raw.create_presigned_domain_url, "can not be converted",
                DomainId=DOMAIN, UserProfileName="ada")
    sagemaker.meta.events.register("before-sign.sagemaker.*", replace_body("[]"))
    refused("SerializationException", sagemaker.describe_domain, DomainId=DOMAIN)


@check
def unknown_members_are_ignored():
    raw = json.dumps({"NotebookInstanceName": "grace-notebook", "ExpiresInSeconds": 1, "Further": {}})
    sagemaker = client()
    sagemaker.meta.events.register("before-sign.sagemaker.*", replace_body(raw))
    assert sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName="x")["AuthorizedUrl"]


@check
def what_does_not_exist_is_not_found():
    sagemaker = client()
    domain = sagemaker.create_presigned_domain_url
    refused("ResourceNotFound", domain, DomainId="d-nowhere", UserProfileName="ada")
    refused("ResourceNotFound", domain, DomainId=DOMAIN, UserProfileName="nobody")
    refused("ResourceNotFound", domain, DomainId=DOMAIN, UserProfileName="ada", SpaceName="nowhere")
    refused("ResourceNotFound", domain, DomainId="d-risk00000001", UserProfileName="ada")
    refused("ResourceNotFound", sagemaker.describe_mlflow_tracking_server, TrackingServerName="nowhere")
    refused("ResourceNotFound", sagemaker.create_presigned_mlflow_app_url, Arn=ARN + "mlflow-app/app-NOWHERE00001")
    refused("ResourceNotFound", client(region="us-east-1").create_presigned_mlflow_app_url, Arn=MLFLOW_APP)
    refused("ValidationException", sagemaker.describe_notebook_instance, "RecordNotFound", NotebookInstanceName="x")
    try:
        domain(DomainId=DOMAIN, UserProfileName="nobody")
    except sagemaker.exceptions.ResourceNotFound as error:
        assert "nobody" in error.response["Error"]["Message"]


@check
def what_is_not_ready_is_refused():
    sagemaker = client()
    refused("ValidationException", sagemaker.create_presigned_mlflow_tracking_server_url, "not active",
            TrackingServerName="archive")
    refused("ValidationException", sagemaker.create_presigned_notebook_instance_url, "not in service",
            NotebookInstanceName="old-notebook")
    refused("ValidationException", sagemaker.create_presigned_domain_url, "Pending", DomainId=DOMAIN,
            UserProfileName="newcomer")
    refused("ValidationException", sagemaker.create_presigned_domain_url, "IAM", DomainId="d-singlesignon",
            UserProfileName="ada")


@check
def what_is_stopped_can_be_started_once():
    sagemaker = client(region="eu-north-1")
    server, notebook = {"TrackingServerName": "archive"}, {"NotebookInstanceName": "old-notebook"}
    started = sagemaker.start_mlflow_tracking_server(**server)
    assert started["TrackingServerArn"].endswith(":mlflow-tracking-server/archive")
    assert set(sagemaker.start_notebook_instance(**notebook)) == {"ResponseMetadata"}
    refused("ValidationException", sagemaker.start_mlflow_tracking_server, "is currently in status STARTING", **server)
    refused("ValidationException", sagemaker.start_notebook_instance, "Status (Pending) not in ([Stopped, Failed])",
            **notebook)
    same(sagemaker.describe_notebook_instance(**notebook)["NotebookInstanceStatus"], "Pending")
    sagemaker.get_waiter("notebook_instance_in_service").wait(
        **notebook, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    same(sagemaker.describe_mlflow_tracking_server(**server)["TrackingServerStatus"], "Started")
    refused("ValidationException", sagemaker.start_notebook_instance, "RecordNotFound", NotebookInstanceName="x")
    refused("ResourceNotFound", sagemaker.start_mlflow_tracking_server, TrackingServerName="nowhere")


@check
def a_profile_is_created_once_with_its_tags():
    sagemaker = client(region="ap-south-1")
    profile = {"DomainId": DOMAIN, "UserProfileName": "Joiner"}
    tags = [{"Key": "postern:person", "Value": "joiner@corp.example"}]
    settings = {"ExecutionRole": "arn:aws:iam::111122223333:role/studio-user",
                "StudioWebPortalSettings": {"ExecutionRoleSessionNameMode": "USER_IDENTITY"}}
    created = sagemaker.create_user_profile(**profile, Tags=tags, UserSettings=settings)["UserProfileArn"]
    described = sagemaker.describe_user_profile(**profile)
    same((described["Status"], described["UserSettings"]), ("Pending", settings))
    same(sagemaker.list_tags(ResourceArn=created)["Tags"], tags)
    refused("ResourceInUse", sagemaker.create_user_profile, "already exists", DomainId=DOMAIN, UserProfileName="JOINER")
    refused("ResourceInUse", sagemaker.create_user_profile, "already exists", DomainId=DOMAIN, UserProfileName="ada")
    refused("ValidationException", sagemaker.create_user_profile, DomainId="d-singlesignon", UserProfileName="x")
    refused("ResourceNotFound", sagemaker.list_tags, ResourceArn=created.replace("joiner", "nobody"))
    sagemaker.add_tags(ResourceArn=created, Tags=[{"Key": "a", "Value": "b"}])
    same(len(sagemaker.list_tags(ResourceArn=created)["Tags"]), 2)
    unified = sagemaker.describe_domain(DomainId="d-unified00001")["DomainSettings"]["UnifiedStudioSettings"]
    same(unified["StudioWebPortalAccess"], "DISABLED")


@check
def any_region_signs():
    assert client(region="ap-southeast-2").create_presigned_domain_url(DomainId=DOMAIN, UserProfileName="ada")


@check
def an_operation_that_is_not_there_is_unknown():
    refused("UnknownOperationException", client().list_domains)


@check
def a_wrong_secret_key_does_not_match():
    call = client(secret=SECRET + "x").describe_domain
    refused("InvalidSignatureException", call, "does not match", DomainId=DOMAIN)
    refused("SignatureDoesNotMatch", client("sts", secret=SECRET + "x").get_caller_identity, status=403)


@check
def an_unknown_access_key_is_unrecognized():
    refused("UnrecognizedClientException", client(key="AKIANOBODY0000000000").describe_domain, DomainId=DOMAIN)
    refused("InvalidClientTokenId", client("sts", key="AKIANOBODY0000000000").get_caller_identity, status=403)


@check
def an_altered_request_does_not_match():
    def alter(request, **_):
        request.body = request.body.replace(b"ada", b"max")

    sagemaker = client()
    sagemaker.meta.events.register("before-send.sagemaker.*", alter)
    refused("InvalidSignatureException", sagemaker.create_presigned_domain_url, DomainId=DOMAIN, UserProfileName="ada")


@check
def a_signature_of_another_service_does_not_match():
    sagemaker = client()
    sagemaker.meta.events.register("before-sign.sagemaker.*", lambda request, **_: request.context.update(
        {"signing": {"signing_name": "sts", "region": REGION}}))
    refused("InvalidSignatureException", sagemaker.describe_domain, "correct service: 'sagemaker'", DomainId=DOMAIN)


@check
def a_clock_that_is_off_by_more_than_five_minutes_is_refused():
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for minutes, text in ((-6, "expired"), (6, "not yet current"), (-4, None), (4, None)):
        moved = now + datetime.timedelta(minutes=minutes)
        # The signer's clock alone is moved; botocore is otherwise as it comes.
        with unittest.mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: moved):
            if text:
                refused("InvalidSignatureException", client().describe_domain, text, DomainId=DOMAIN)
            else:
                assert client().describe_domain(DomainId=DOMAIN)


@check
def unsigned_and_half_signed_requests_are_incomplete():
    def strip(text):
        def handler(request, **_):
            header = request.headers["Authorization"]
            header = header.decode() if isinstance(header, bytes) else header
            request.headers["Authorization"] = header.split(text)[0]
        return handler

    for text in ("Signature=", "SignedHeaders=", "Credential="):
        sagemaker = client()
        sagemaker.meta.events.register("before-send.sagemaker.*", strip(text))
        refused("IncompleteSignatureException", sagemaker.describe_domain, DomainId=DOMAIN)
    sagemaker = client()
    sagemaker.meta.events.register("before-send.sagemaker.*", lambda request, **_: request.headers.pop("Authorization")
                                   and None)
    refused("MissingAuthenticationTokenException", sagemaker.describe_domain, DomainId=DOMAIN)


@check
def an_assumed_role_has_its_name_and_identity():
    answer = client("sts").assume_role(RoleArn=ROLE, RoleSessionName="ada@corp.example", DurationSeconds=900,
                                       SourceIdentity="ada@corp.example", Policy=allow("sts:*"))
    same(answer["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/postern/ada@corp.example")
    same(answer["SourceIdentity"], "ada@corp.example")
    left = answer["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert 880 < left.total_seconds() <= 900, left
    issued = answer["Credentials"]
    who = client("sts", issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]).get_caller_identity()
    same((who["Arn"], who["Account"]), (answer["AssumedRoleUser"]["Arn"], ACCOUNT))
    same(who["UserId"], answer["AssumedRoleUser"]["AssumedRoleId"])


@check
def bad_input_of_assume_role_is_refused():
    sts = client("sts")
    good = {"RoleArn": ROLE, "RoleSessionName": "ada"}
    for code, change in [
        ("ValidationError", {"RoleSessionName": "a"}),
        ("ValidationError", {"RoleSessionName": "a" * 65}),
        ("ValidationError", {"RoleSessionName": "ada lovelace"}),
        ("ValidationError", {"RoleSessionName": "ädä"}),
        ("ValidationError", {"RoleArn": "arn:aws:iam::1:role/x"}),
        ("ValidationError", {"SourceIdentity": "a"}),
        ("ValidationError", {"DurationSeconds": 899}),
        ("ValidationError", {"DurationSeconds": 43201}),
        ("ValidationError", {"Policy": allow("sagemaker:*", resource="x" * 2048)}),
        ("MalformedPolicyDocument", {"Policy": "{"}),
        ("MalformedPolicyDocument", {"Policy": allow("sagemaker:*", Principal="*")}),
        ("InvalidParameterValue", {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}),
    ]:
        refused(code, sts.assume_role, **{**good, **change})
    refused("ValidationError", sts.assume_role, "roleArn", RoleSessionName="ada")
    refused("AccessDenied", sts.assume_role, "sts:AssumeRole", status=403, RoleSessionName="ada",
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/sandbox-untrusting")
    refused("InvalidAction", sts.get_session_token)


@check
def a_session_policy_limits_the_session():
    profile = ARN + f"user-profile/{DOMAIN}/ada"
    scoped = client(**session(Policy=allow("sagemaker:CreatePresigned*", resource=profile)))
    assert scoped.create_presigned_domain_url(DomainId=DOMAIN, UserProfileName="Ada")
    refused("AccessDeniedException", scoped.create_presigned_domain_url,
            f"User: arn:aws:sts::{ACCOUNT}:assumed-role/postern/ada is not authorized to perform: "
            f"sagemaker:CreatePresignedDomainUrl on resource: {ARN}user-profile/{DOMAIN}/max",
            DomainId=DOMAIN, UserProfileName="max")
    refused("AccessDeniedException", scoped.describe_user_profile, DomainId=DOMAIN, UserProfileName="ada")
    for name, arguments, _ in PRESIGN[1:]:
        refused("AccessDeniedException", getattr(scoped, name), **arguments)
    denied = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
                            {"Effect": "Deny", "Action": "sagemaker:Describe?omain", "Resource": "*"}]}
    client_denied = client(**session(Policy=json.dumps(denied)))
    refused("AccessDeniedException", client_denied.describe_domain, "explicit deny", DomainId=DOMAIN)
    assert client_denied.describe_user_profile(DomainId=DOMAIN, UserProfileName="ada")


@check
def a_role_of_another_account_sees_its_own_resources():
    other = "444455556666"
    assumed = session(RoleArn=f"arn:aws:iam::{other}:role/postern-risk", Policy=allow(
        "sagemaker:*", resource=f"arn:aws:sagemaker:{REGION}:{other}:user-profile/d-risk00000001/risk--ada"))
    assert client(**assumed).create_presigned_domain_url(DomainId="d-risk00000001", UserProfileName="risk--ada")


@check
def the_session_token_must_be_the_right_one():
    issued = session()
    assert client(**issued).describe_domain(DomainId=DOMAIN)
    for token in (None, "other", issued["token"] + "x"):
        refused("UnrecognizedClientException", client(**{**issued, "token": token}).describe_domain, DomainId=DOMAIN)
    refused("UnrecognizedClientException", client(token="any").describe_domain, DomainId=DOMAIN)


@check
def throttling_is_known_and_retried_by_boto3():
    refused("ThrottlingException", client().describe_partner_app, Arn=PARTNER_APP)
    try:
        client(config=RETRYING).describe_partner_app(Arn=PARTNER_APP)
    except ClientError as error:
        same(error.response["ResponseMetadata"]["RetryAttempts"], 2)


@check
def the_command_line_agrees():
    same(cli("sts", "get-caller-identity")["Account"], ACCOUNT)
    answer = cli("sagemaker", "create-presigned-domain-url", "--domain-id", DOMAIN, "--user-profile-name", "grace",
                 "--expires-in-seconds", "20", "--landing-uri", "studio::")
    same(open_url(answer["AuthorizedUrl"])[0], 200)
    answer = cli("sagemaker", "create-partner-app-presigned-url", "--arn", PARTNER_APP)
    same(open_url(answer["Url"])[0], 200)
    error = cli("sagemaker", "describe-domain", "--domain-id", DOMAIN, status=255, AWS_SECRET_ACCESS_KEY="wrong")
    assert "(InvalidSignatureException)" in error, error
    issued = cli("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "max", "--source-identity", "max",
                 "--tags", "Key=team,Value=risk", "--policy", allow("sagemaker:CreatePresignedDomainUrl"))["Credentials"]
    error = cli("sagemaker", "create-presigned-domain-url", "--domain-id", DOMAIN, "--user-profile-name", "max",
                status=255, AWS_ACCESS_KEY_ID=issued["AccessKeyId"], AWS_SESSION_TOKEN=issued["SessionToken"],
                AWS_SECRET_ACCESS_KEY=issued["SecretAccessKey"])
    assert "CreatePresignedDomainUrlWithPrincipalTag" in error, error


@check
def moto_answers_sts_in_the_same_shape():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    moto = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(150):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        arguments = {"RoleArn": ROLE, "RoleSessionName": "ada", "Policy": allow("sagemaker:*")}
        theirs, ours = client("sts", url=url), client("sts")
        same(shape(ours.assume_role(**arguments)), shape(theirs.assume_role(**arguments)))
        same(shape(ours.get_caller_identity()), shape(theirs.get_caller_identity()))
        ours, theirs = (who.assume_role(**arguments) for who in (ours, theirs))
        for path in (("AssumedRoleUser", "AssumedRoleId"), ("Credentials", "AccessKeyId")):
            mine, other = (answer[path[0]][path[1]] for answer in (ours, theirs))
            same((len(mine), mine[:4]), (len(other), other[:4]))
    finally:
        moto.terminate()
        moto.wait(timeout=10)


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
        except Exception as error:  # one failure does not hide the next
            failed += 1
            print(f"FAILED {function.__name__}: {type(error).__name__}: {error}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

//! A small stand-in for SageMaker and STS on loopback: it records what it is asked and answers as it is told.

use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// One request, as AWS would read it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Counts from 1.
    pub(crate) number: usize,
    pub(crate) operation: String,
    /// The JSON body; for STS, the form fields as strings.
    pub(crate) input: Value,
    /// Of the signature.
    pub(crate) access_key_id: String,
    pub(crate) region: String,
    /// Where the endpoint's URL had a path.
    pub(crate) path: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(u16, Value),
    Text(u16, String),
    /// Promises more than it sends, and closes.
    CutOff,
    /// Closes without an answer.
    Close,
    After(Duration, Box<Reply>),
    /// Waits for a permit, and takes it.
    When(Arc<Semaphore>, Box<Reply>),
    /// Under another request id than `request-` and the call's number.
    WithId(String, Box<Reply>),
}

pub(crate) struct AwsFake {
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

type Behaviour = Arc<dyn Fn(&Call) -> Option<Reply> + Send + Sync>;

impl AwsFake {
    /// `behaviour` answers first; where it says nothing, everything is well.
    pub(crate) async fn start(behaviour: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let number = Arc::new(AtomicUsize::new(0));
        let behaviour: Behaviour = Arc::new(behaviour);
        let recorded = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (recorded, number, behaviour) =
                    (Arc::clone(&recorded), Arc::clone(&number), Arc::clone(&behaviour));
                tokio::spawn(async move {
                    let _ = serve(stream, &recorded, &number, &behaviour).await;
                });
            }
        });
        Self { address, calls }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far of one operation, in order of arrival.
    pub(crate) fn calls(&self, operation: &str) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }
}

/// An error as SageMaker words it.
pub(crate) fn json_error(status: u16, code: &str) -> Reply {
    Reply::Json(status, json!({"__type": code, "message": "said by AWS"}))
}

/// An error as STS words it.
pub(crate) fn sts_error(status: u16, code: &str) -> Reply {
    let text = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>said by STS</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    );
    Reply::Text(status, text)
}

async fn serve(
    stream: TcpStream,
    calls: &Mutex<Vec<Call>>,
    number: &AtomicUsize,
    behaviour: &Behaviour,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;

        let authorization = header("authorization").expect("every call is signed");
        let scope = authorization.split("Credential=").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let mut scope = scope.split('/').map(str::to_owned);
        let (access_key_id, region) = (scope.next().unwrap(), scope.nth(1).unwrap());
        let (operation, input) = match header("x-amz-target") {
            Some(target) => (
                target.strip_prefix("SageMaker.").unwrap().to_owned(),
                serde_json::from_slice(&body).unwrap(),
            ),
            None => {
                let fields: Map<String, Value> = url::form_urlencoded::parse(&body)
                    .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                    .collect();
                (fields["Action"].as_str().unwrap().to_owned(), Value::Object(fields))
            }
        };
        let number = number.fetch_add(1, Ordering::SeqCst) + 1;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let call = Call { number, operation, input, access_key_id, region, path };
        calls.lock().unwrap().push(call.clone());

        let mut id = format!("request-{number}");
        let mut reply = behaviour(&call).unwrap_or_else(|| well(&call));
        loop {
            reply = match reply {
                Reply::After(wait, then) => {
                    tokio::time::sleep(wait).await;
                    *then
                }
                Reply::When(permits, then) => {
                    permits.acquire().await.unwrap().forget();
                    *then
                }
                Reply::WithId(other, then) => {
                    id = other;
                    *then
                }
                _ => break,
            };
        }
        let (status, body, promised) = match reply {
            Reply::Json(status, body) => (status, body.to_string(), 0),
            Reply::Text(status, body) => (status, body, 0),
            Reply::CutOff => (200, r#"{"AuthorizedUrl":"https://d.studio"#.to_owned(), 100),
            _ => return Ok(()),
        };
        let head = format!(
            "HTTP/1.1 {status} Reason\r\nx-amzn-requestid: {id}\r\ncontent-length: {}\r\n\r\n",
            body.len() + promised
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.flush().await?;
        if promised > 0 {
            return Ok(());
        }
    }
}

/// The answer when all is well. A URL names its call and, for Studio, the profile.
fn well(call: &Call) -> Reply {
    let text = |name: &str| call.input[name].as_str().unwrap_or_default().to_owned();
    let studio = format!(
        "https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token={}.{}",
        text("UserProfileName"),
        call.number
    );
    Reply::Json(
        200,
        match call.operation.as_str() {
            "CreatePresignedDomainUrl" => json!({"AuthorizedUrl": studio}),
            "CreatePresignedMlflowTrackingServerUrl" => {
                json!({"AuthorizedUrl": "https://t-1.eu-west-1.experiments.sagemaker.aws/auth?authToken=a"})
            }
            "CreatePresignedMlflowAppUrl" => {
                json!({"AuthorizedUrl": "https://mlflow.sagemaker.eu-west-1.app.aws/auth?authToken=a"})
            }
            "CreatePresignedNotebookInstanceUrl" => {
                json!({"AuthorizedUrl": "https://nb.notebook.eu-west-1.sagemaker.aws?authToken=a"})
            }
            "CreatePartnerAppPresignedUrl" => {
                json!({"Url": "https://app-1.partner.eu-west-1.sagemaker.aws/auth?authToken=a"})
            }
            "DescribeUserProfile" => json!({"Status": "InService"}),
            "DescribeMlflowTrackingServer" => {
                json!({"TrackingServerStatus": "Created", "IsActive": "Active"})
            }
            "DescribeMlflowApp" => json!({"Status": "Created"}),
            "DescribeNotebookInstance" => json!({"NotebookInstanceStatus": "InService"}),
            "DescribePartnerApp" => json!({"Status": "Available"}),
            "ListTags" => json!({"Tags": []}),
            "DescribeDomain" => json!({"AuthMode": "IAM", "Status": "InService"}),
            "AssumeRole" => return assumed(call, "2100-01-01T00:00:00Z"),
            other => panic!("{other} is not expected"),
        },
    )
}

/// An AssumeRole answer whose access key id names the call.
pub(crate) fn assumed(call: &Call, expiration: &str) -> Reply {
    let text = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIA{}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>",
        call.number
    );
    Reply::Text(200, text)
}
